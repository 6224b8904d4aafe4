/** A `BedrockAgentCoreClient`, or anything that sends its commands. In a type of its own, so that a program that passes none needs no package of AWS. */
export interface AgentCoreClient {
  send(command: never, options?: never): Promise<unknown>;
  destroy(): void;
}
