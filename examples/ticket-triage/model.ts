import type { Model } from 'rondo';
import { modelName, openModel } from '../kit/model.ts';
import { standIn } from './standin.ts';

/** The model that RONDO_MODEL names. Without it, the offline stand-in: the same agent with fixed rules. */
export async function chooseModel(name: string | undefined): Promise<Model> {
  const wanted = modelName(name);
  return wanted ? openModel(wanted) : standIn();
}
