/** The page: what it is made of, and who tells whom. */
import { DeviceLostError, METHOD_TABLE, type MethodName } from 'gradcam-webgpu';
import { Engine, type LayerRecord, type RemoteExplanation } from 'gradcam-webgpu/element';
import { addClassField, readNames, showClasses } from './classes.ts';
import { ContactSheet } from './contact-sheet.ts';
import { byId, debounced } from './dom.ts';
import { enableExports, offerExports } from './exports.ts';
import { addFields } from './field-controls.ts';
import { CONVENTION_FIELDS, LOOK_FIELDS, METHOD_FIELDS } from './fields.ts';
import { acceptInputs, canDrop, chooseFiles } from './inputs.ts';
import { linkOf, misfitsOf, stateOf } from './link.ts';
import { ModelPanel } from './model-panel.ts';
import { NetworkDrawing } from './network-drawing.ts';
import { Notice } from './notice.ts';
import { className, PredictionList } from './predictions.ts';
import { ProgressRow } from './progress-row.ts';
import { addSamples, drawSamples } from './samples.ts';
import { SAMPLES, SceneDrawer } from './scenes.ts';
import { showSelection } from './selection-row.ts';
import { type ModelInUse, Session } from './session.ts';
import { Stage } from './stage.ts';
import {
  INITIAL_STATE,
  isBuiltIn,
  layerIn,
  type State,
  Store,
  showsSelection,
  takesLayer,
  takesSelection,
} from './state.ts';
import { addViewSwitch } from './view-switch.ts';
import { wordsFor } from './words.ts';

const NOT_LOADED = 'This model is not loaded yet: load its weights under Model.';
const GPU_LOST = 'The GPU was lost. The page is getting it back …';

/** What the address says, as it was last read. */
const linked = stateOf(location.hash);
const store = new Store(linked.state);
const engine = Engine.shared();
const scenes = new SceneDrawer();
const say = (text: string) => {
  byId('live').textContent = text;
};

const notice = new Notice({
  fewerAtOnce: (batch) => store.update({ batch }),
  again: () => session.start(),
});
const fail = (error: unknown, during: Parameters<typeof wordsFor>[1] = 'explanation') =>
  notice.showError(wordsFor(error, during));

addFields(byId('method-fields'), METHOD_FIELDS, store);
addFields(byId('convention-fields'), CONVENTION_FIELDS, store);
// A link may be about what is in there.
byId<HTMLDetailsElement>('conventions').open = CONVENTION_FIELDS.some(
  ({ key }) => store.state[key] !== INITIAL_STATE[key],
);
addFields(byId('look-fields'), LOOK_FIELDS, store);

const progress = new ProgressRow({ onStop: () => stage.stop(), say });
const stage = new Stage(store, {
  onStep: (pane, step) => progress.step(pane, step),
  onProgress: (pane, share) => progress.progress(pane, share),
  onFailure: fail,
  say,
});
const predictions = new PredictionList(byId('predictions'), {
  labelOf: (classIndex) => session.model?.labels?.[classIndex],
  onExplain: (classIndex) => explainClass(classIndex),
  onCompare: (otherClass) => compare(otherClass),
});
const network = new NetworkDrawing(byId('network'), (layerName) =>
  // Feature maps and cells are those of the layer.
  store.update({ layerName, filters: [], cells: undefined }),
);
const sheet = new ContactSheet(byId('contact-sheet'), byId('more-features'), (filters) => store.update({ filters }));
const drawSamplesOnce = once(() => void drawSamples(scenes));

const session: Session = new Session(engine, store, scenes, stage, {
  picture: (picture) => stage.showPicture(picture, nameOf(store.state)),
  loading: (loaded) => models.showProgress(loaded),
  model: (model) => showModel(model),
  busy: (pending) => {
    setBusy(true);
    progress.wait(pending);
  },
  begin: (wanted) => {
    notice.hideError();
    stage.begin(wanted);
    progress.begin(wanted.length);
  },
  result: (pane, result) => void showResult(pane, result),
  stopped: (pane) => {
    const result = stage.resultOf(pane);
    progress.stopped(result && titleOf(result));
  },
  end: () => {
    setBusy(false);
    progress.end();
    drawSamplesOnce();
  },
  failure: fail,
});
const models = new ModelPanel(store, session, engine.cache, () => notice.hideError());

addSamples(store);
addViewSwitch(store);
showSelection(store);
addClassField(() => session.model, explainClass);
addStageButtons();
byId('skip').addEventListener('click', (event) => {
  // What stands behind the '#' is the page's state.
  event.preventDefault();
  byId('stage').focus();
});
offerExports(store, { shown: () => stage.result, exported: (shown) => session.exported(shown) }, fail);
/** Why the visitor's last try was refused; the next makes it old. */
let refused = '';
acceptInputs({
  onPicture: (picture, name) => {
    notice.hideError();
    notice.takeBack(refused);
    void session.open(picture, name);
  },
  onWeights: (files) => models.loadFiles(files),
  onRefused: (why) => {
    refused = why;
    notice.say(why);
  },
});
chooseFiles('choose-labels', 'labels-file', ([file]) => void useNames(file!));
store.subscribe(showState);
followLink();
followDevice();
showState(store.state);
byId('app').hidden = false;
byId('corner').hidden = false;
tellUnknown();
if (!isBuiltIn(store.state.model)) showModel(undefined);
session.start();

/** For whoever waits for the map: programs as well as people. */
function setBusy(isBusy: boolean): void {
  document.body.dataset.state = isBusy ? 'busy' : 'settled';
  byId('stage').setAttribute('aria-busy', String(isBusy));
}

function explainedClass(): number | undefined {
  return store.state.classIndex ?? stage.result?.classIndex;
}

/** The class that it was compared with takes its place. */
function explainClass(classIndex: number): void {
  const isSwap = store.state.view === 'classes' && classIndex === store.state.otherClass;
  store.update(isSwap ? { classIndex, otherClass: explainedClass() } : { classIndex });
}

/** A second class goes beside the one that is explained, which is named from then on. */
function compare(otherClass: number | undefined): void {
  if (otherClass === undefined) store.update({ otherClass, view: 'one' });
  else store.update({ otherClass, classIndex: explainedClass(), view: 'classes' });
}

function nameOf({ picture }: State): string {
  if (picture.kind === 'own') return `Your picture, ${picture.name}`;
  const sample = SAMPLES.find(({ seed }) => seed === picture.seed);
  return sample ? `Drawn scene: ${sample.title.toLowerCase()}` : `Drawn scene ${picture.seed}`;
}

/** What a map is of, in a few words. */
function titleOf({ options: { method, layerName }, classIndex }: RemoteExplanation): string {
  const place = layerName === undefined ? '' : ` at ${layerName}`;
  const label = session.model?.labels?.[classIndex];
  return `${METHOD_TABLE[method as MethodName].title}${place} for ${className({ classIndex, label })}`;
}

async function showResult(pane: number, result: RemoteExplanation): Promise<void> {
  progress.done(pane, result);
  if (pane > 0) return;
  predictions.show(result.predictions);
  showState(store.state);
  showTimings(result);
  showWhetherMap(true);
  await showFeatures(result);
}

async function showFeatures(result: RemoteExplanation): Promise<void> {
  const hasMaps = takesSelection(result.options.method as MethodName);
  const ofWhich = store.state.view === 'one' ? 'the map' : 'the first map';
  byId('features-text').textContent = hasMaps
    ? `By what they add to ${ofWhich}. Choose some to see their sum.`
    : 'Methods at the input have none to choose from.';
  const layer = session.model?.layers.find(({ name }) => name === result.options.layerName);
  try {
    await sheet.show(hasMaps ? result : undefined, layer?.shape[0] ?? 0);
  } catch (error) {
    fail(error);
  }
}

/** A model that is not there yet has no layers and sees nothing. */
function showModel(model: ModelInUse | undefined): void {
  stage.useModel(model?.request);
  showClasses(model?.labels);
  offerMethods(model?.methods);
  byId('predictions-text').textContent = model ? '' : 'Nothing yet: the model is not loaded.';
  progress.clear(model ? '' : NOT_LOADED);
  if (model) {
    notice.hideError();
    network.draw(model.layers);
    const misfits = misfitsOf(store.state, model);
    store.update(misfits.change);
    tellUnknown(misfits.unknown);
  } else {
    predictions.show([]);
    network.clear();
    showWhetherMap(false);
    byId('timings').textContent = '';
    void sheet.show(undefined, 0);
  }
  showState(store.state);
}

/** What there is to choose from and to take along, there is of a map alone. */
function showWhetherMap(isThere: boolean): void {
  byId('stage').classList.toggle('without-map', !isThere);
  byId('features-panel').hidden = !isThere;
  enableExports(isThere);
}

/** Methods that the loaded network does not take are shown all the same: others take them. */
function offerMethods(methods: readonly string[] | undefined): void {
  for (const option of byId<HTMLSelectElement>('field-method').options) {
    option.disabled = methods?.includes(option.value) === false;
  }
}

/** What follows from the state alone. */
function showState(state: State): void {
  const layer = takesLayer(state.method) ? layerOf(state) : undefined;
  network.choose(layer?.name);
  byId('layer-text').textContent = session.model ? wordsForLayer(layer, state) : '';
  sheet.choose(state.filters);
  predictions.choose(explainedClass(), state.view === 'classes' ? state.otherClass : undefined);
  byId('picture-text').textContent =
    state.picture.kind === 'own'
      ? `${nameOf(state)}. It stays on this device.`
      : `${canDrop ? 'Or drop one anywhere. It' : 'Your picture'} stays on this device.`;
  byId('toggle-boxes').setAttribute('aria-pressed', String(state.showsBoxes));
  byId<HTMLButtonElement>('pick-cells').disabled = !showsSelection(state);
}

function wordsForLayer(layer: LayerRecord | undefined, { method }: State): string {
  if (!layer) return `${METHOD_TABLE[method].title} is computed at the input, not at a layer.`;
  const [maps, rows, columns] = layer.shape;
  return `${layer.name}: ${maps} maps of ${rows} × ${columns}. Late layers tell more of what is seen, early ones more of where.`;
}

function layerOf(state: State): LayerRecord | undefined {
  return session.model && layerIn(session.model, state);
}

function addStageButtons(): void {
  const pick = byId<HTMLButtonElement>('pick-cells');
  pick.addEventListener('click', () => {
    const picks = !stage.picksCells;
    pick.setAttribute('aria-pressed', String(picks));
    stage.pickCells(picks);
  });
  byId('toggle-boxes').addEventListener('click', () => store.update({ showsBoxes: !store.state.showsBoxes }));
}

async function useNames(file: File): Promise<void> {
  const { model } = session;
  if (!model) return notice.say('Load the model first: its classes are what the names are for.');
  try {
    await session.name(await readNames(file, model.classCount));
  } catch (error) {
    notice.say((error as Error).message);
  }
}

/** The address says what is shown, and what it says is shown. */
function followLink(): void {
  const write = debounced(() => {
    const link = linkOf(store.state);
    if (`#${link}` === (location.hash || '#')) return;
    history.replaceState(null, '', link ? `#${link}` : location.pathname + location.search);
  }, 300);
  store.subscribe(write);
  addEventListener('hashchange', () => {
    const { state, unknown } = stateOf(location.hash);
    const isOtherModel = (['model', 'weights'] as const).some(
      (key) => JSON.stringify(state[key]) !== JSON.stringify(store.state[key]),
    );
    const misfits = session.model && !isOtherModel ? misfitsOf(state, session.model) : undefined;
    linked.unknown = unknown;
    store.update({ ...state, ...misfits?.change });
    tellUnknown(misfits?.unknown);
  });
}

/** @param misfits what the page knows, and the network does not have */
function tellUnknown(misfits: readonly string[] = []): void {
  const said = [];
  if (linked.unknown.length > 0)
    said.push(`The link says something that is not known here: ${linked.unknown.join(', ')}.`);
  if (misfits.length > 0) said.push(`Not in this network: ${misfits.join(', ')}. What is usual is shown instead.`);
  if (said.length === 0) return;
  notice.say([...said, 'The rest is as it was asked for.'].join(' '));
}

function followDevice(): void {
  const show = ({ adapter }: Awaited<ReturnType<Engine['ready']>>) => {
    const name = [adapter.description || adapter.device || adapter.architecture, adapter.vendor].find(Boolean);
    byId('adapter').textContent =
      `${name ?? 'Unnamed GPU'}${adapter.isFallback ? ', in software: right, but slow' : ''}`;
  };
  engine.ready().then(show, (error: unknown) => {
    byId('adapter').textContent = 'No GPU';
    fail(error, 'explanation');
  });
  engine.addEventListener('device-lost', () => notice.say(GPU_LOST));
  engine.addEventListener('device-gone', (event) => fail(new DeviceLostError((event as CustomEvent<string>).detail)));
  engine.addEventListener('recovered', () => {
    notice.takeBack(GPU_LOST);
    engine.ready().then(show, () => {});
  });
}

function showTimings({ timings }: RemoteExplanation): void {
  const ms = (value: number) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
  byId('timings').textContent =
    `prepare ${ms(timings.prepare)} · compute ${ms(timings.compute)} · read ${ms(timings.read)} · all ${ms(timings.total)}`;
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    work();
  };
}
