import type { Model } from 'rondo';
import { UsageError } from '../kit/usage.ts';
import { standIn } from './standin.ts';

/** The model that RONDO_MODEL names. Without it, the offline stand-in: the same agent with fixed rules. */
export async function chooseModel(name: string | undefined): Promise<Model> {
  if (!name) return standIn();
  const id = /^bedrock:(.+)$/.exec(name)?.[1];
  if (!id) throw new UsageError(`RONDO_MODEL is "${name}". Set it to bedrock:<model id>, or leave it out for the offline stand-in.`);
  const { bedrock } = await import('rondo/bedrock');
  return bedrock(id);
}
