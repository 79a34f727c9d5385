/** The engine's worker: the whole of the GPU work, away from the page's own thread. */
import { expose } from 'comlink';
import { sendErrorsWhole } from './errors.ts';
import { EngineHost } from './host.ts';

sendErrorsWhole();
expose(new EngineHost());
