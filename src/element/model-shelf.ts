/** The worker's models: each is loaded once however many ask for it, and again on a new device. */
import { DeviceLostError, DisposedError, OptionError, untilAborted } from '../errors.ts';
import { type Gpu, type LoadModelOptions, type LoadProgress, loadModel, type Model, type ModelName } from '../index.ts';
import type { LoadRequest, ModelRecord } from './protocol.ts';

interface ShelvedModel {
  readonly request: LoadRequest;
  /** How many loads there were that no unload has taken back. */
  users: number;
  /** Stops the loading once nobody waits for it. */
  readonly stop: AbortController;
  readonly listeners: Set<(progress: LoadProgress) => void>;
  /** The device that `model` is on, or will be. */
  gpu: Gpu | undefined;
  model: Promise<Model> | undefined;
}

export class ModelShelf {
  readonly #models = new Map<string, ShelvedModel>();

  get size(): number {
    return this.#models.size;
  }

  /** @throws as loadModel() */
  async load(
    request: LoadRequest,
    gpu: Gpu,
    { signal, onProgress }: { signal: AbortSignal; onProgress: (progress: LoadProgress) => void },
  ): Promise<ModelRecord> {
    const key = keyOf(request);
    const shelved = this.#models.get(key) ?? {
      request,
      users: 0,
      stop: new AbortController(),
      listeners: new Set(),
      gpu: undefined,
      model: undefined,
    };
    this.#models.set(key, shelved);
    shelved.users++;
    shelved.listeners.add(onProgress);
    try {
      return recordOf(key, await untilAborted(this.#on(shelved, gpu), signal));
    } catch (error) {
      this.unload(key);
      throw error;
    } finally {
      shelved.listeners.delete(onProgress);
    }
  }

  /**
   * The model on this device, loaded again if it was on another one.
   *
   * @throws DisposedError where it was unloaded; as loadModel()
   */
  get(key: string, gpu: Gpu): Promise<Model> {
    const shelved = this.#models.get(key);
    if (shelved) return this.#on(shelved, gpu);
    throw new DisposedError('the model was released: its weights are gone. Load it again.');
  }

  /** Takes one load back; the last one frees the model. */
  unload(key: string): void {
    const shelved = this.#models.get(key);
    if (!shelved || --shelved.users > 0) return;
    this.#models.delete(key);
    shelved.stop.abort();
    shelved.model?.then(
      (model) => model.dispose(),
      () => {},
    );
  }

  /**
   * Loads every model onto a new device. A model whose weights cannot be had any more says so when it is used.
   *
   * @throws DeviceLostError if this one is lost on the way
   */
  async restore(gpu: Gpu): Promise<void> {
    const loaded = await Promise.allSettled([...this.#models.values()].map((shelved) => this.#on(shelved, gpu)));
    for (const result of loaded) {
      if (result.status === 'rejected' && result.reason instanceof DeviceLostError) throw result.reason;
    }
  }

  #on(shelved: ShelvedModel, gpu: Gpu): Promise<Model> {
    if (shelved.model && shelved.gpu === gpu) return shelved.model;
    const loading = openModel(shelved, gpu);
    shelved.gpu = gpu;
    shelved.model = loading;
    // A failure is not kept: the next one to ask may be luckier.
    loading.catch(() => {
      if (shelved.model === loading) shelved.model = undefined;
    });
    return loading;
  }
}

/** Files are the same where name, size and date are. */
function keyOf({ weights, ...request }: LoadRequest): string {
  const describe = ({ name, webkitRelativePath, size, lastModified }: File) =>
    `file:${webkitRelativePath || name}:${size}:${lastModified}`;
  const files = weights === undefined || typeof weights === 'string' ? weights : [weights].flat().map(describe);
  return JSON.stringify({ ...request, weights: files });
}

async function openModel({ request, stop, listeners }: ShelvedModel, gpu: Gpu): Promise<Model> {
  const { model, weights, labels, precision, checksum } = request;
  const options: LoadModelOptions = {
    weights: weights as LoadModelOptions['weights'],
    labels: typeof labels === 'string' ? await fetchLabels(labels, stop.signal) : labels,
    precision,
    checksum,
    signal: stop.signal,
    onProgress: (progress) => {
      for (const listener of listeners) listener(progress);
    },
  };
  return loadModel(gpu, model as ModelName, options);
}

async function fetchLabels(url: string, signal: AbortSignal): Promise<string[]> {
  const refuse = (problem: string) =>
    new OptionError('labels', url, `the address of a JSON array of names; ${problem}`);
  let labels: unknown;
  try {
    const response = await fetch(url, { signal });
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    labels = await response.json();
  } catch (cause) {
    throw refuse((cause as Error).message);
  }
  if (Array.isArray(labels) && labels.every((label) => typeof label === 'string')) return labels;
  throw refuse('this one holds something else');
}

function recordOf(key: string, model: Model): ModelRecord {
  const { graph, name, labels, inputShape, classCount, weights } = model;
  const explained = new Set(model.layerNames);
  return {
    key,
    name,
    labels,
    inputShape,
    classCount,
    layers: graph.nodes.map((node) => ({
      name: node.name,
      aliases: node.aliases ?? [],
      type: node.op,
      shape: graph.shape(node.name),
      canBeExplained: explained.has(node.name),
    })),
    methods: model.methods,
    defaultLayer: model.resolveLayer().name,
    weightsRecord: weights,
  };
}
