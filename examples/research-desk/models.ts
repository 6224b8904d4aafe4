import type { Model } from 'rondo';
import { UsageError } from '../kit/usage.ts';
import { type Move, type Seen, standIn } from './standin/model.ts';

/**
 * The model of RONDO_MODEL=bedrock:<id>; undefined: all agents are stand-ins.
 * @throws UsageError for anything else.
 */
export function modelId(): string | undefined {
  const name = process.env.RONDO_MODEL;
  if (!name) return undefined;
  const id = /^bedrock:(.+)$/.exec(name)?.[1];
  if (!id) throw new UsageError(`RONDO_MODEL is "${name}". Set it to bedrock:<model id>, or leave it out for the offline stand-ins.`);
  return id;
}

/** The model of a Rondo agent. */
export async function ownModel(agent: string, rules: (seen: Seen) => Move): Promise<Model> {
  const id = modelId();
  return id ? (await import('rondo/bedrock')).bedrock(id) : standIn(agent, rules);
}

/** A model of another framework, if RONDO_MODEL is set and the module of its class is installed; else undefined. */
export async function vendorModel<M>(module: string, name: string, o: (id: string) => object): Promise<M | undefined> {
  const id = modelId();
  if (!id) return undefined;
  try {
    const vendor = (await import(module)) as Record<string, new (o: object) => M>;
    return vendor[name] && new vendor[name](o(id));
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}
