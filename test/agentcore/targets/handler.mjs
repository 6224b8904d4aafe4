/** A function as it is deployed: it knows nothing of Rondo. */
export const handler = async (event, context) => {
  const name = context.clientContext.custom.bedrockAgentCoreToolName.split('___').at(-1);
  if (name === 'fails') throw new TypeError('the amount is not a number');
  return { name, event, custom: context.clientContext.custom, time: context.getRemainingTimeInMillis() > 0 };
};
