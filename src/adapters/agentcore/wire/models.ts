/** Models that are bound to the exports of modules. */
import { ToolError } from '../../../errors.ts';
import { lazy } from '../../../flight.ts';
import { answerOf } from '../../../loop/model/answer.ts';
import type { Model } from '../../../ports/model.ts';
import { type Bound, type Exported, loaded } from './bindings.ts';

/** The model of what names none, `model:default`. */
export const DEFAULT_MODEL = 'default';

/** The model that is bound to an id; undefined if none is. It is loaded at its first use, and again after it could not be. */
export function boundModels(bound: Bound): (id: string) => Model | undefined {
  const models = new Map<string, Model>();
  return (id) => {
    const from = bound.model(id);
    if (from && !models.has(id)) models.set(id, modelOf(id, from));
    return models.get(id);
  };
}

function modelOf(id: string, from: Exported): Model {
  const model = lazy(() => loadedModel(id, from));
  return {
    provider: 'binding',
    id,
    async generate(request, call) {
      return answerOf(await (await model()).generate(request, call), `"model:${id}"`);
    },
  };
}

async function loadedModel(id: string, from: Exported): Promise<Model> {
  const found = (await loaded(from)) as Partial<Model> | undefined;
  if (typeof found?.generate !== 'function')
    throw new ToolError('MODEL_MISSING', `the binding "model:${id}" is not a model, such as bedrock('...') makes.`, { outcome: 'not-run' });
  return found as Model;
}
