// `src/app/meshWorker.ts` as it is: Node runs TypeScript in a thread only if the thread itself asks for it.
import { register } from 'tsx/esm/api';

register();
await import('../../src/app/meshWorker.ts');
