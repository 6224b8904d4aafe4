import type { Model } from 'rondo';
import { type ModelName, modelName, openModel } from '../kit/model.ts';
import { type Move, type Seen, standIn } from './standin/model.ts';

/**
 * The model that RONDO_MODEL names; undefined: all agents are stand-ins.
 * @throws UsageError for anything that names none.
 */
export const wantedModel = (): ModelName | undefined => modelName(process.env.RONDO_MODEL);

/** The model of a Rondo agent. */
export async function ownModel(agent: string, rules: (seen: Seen) => Move): Promise<Model> {
  const wanted = wantedModel();
  return wanted ? openModel(wanted) : standIn(agent, rules);
}

/** A Bedrock model of another framework, if RONDO_MODEL names one and the module of its class is installed; else undefined. */
export async function vendorModel<M>(module: string, name: string, o: (id: string) => object): Promise<M | undefined> {
  const wanted = wantedModel();
  if (wanted?.prefix !== 'bedrock') return undefined;
  try {
    const vendor = (await import(module)) as Record<string, new (o: object) => M>;
    return vendor[name] && new vendor[name](o(wanted.id));
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}
