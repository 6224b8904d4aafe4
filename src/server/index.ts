export { type Worker, type WorkerOptions, worker } from './worker.ts';
