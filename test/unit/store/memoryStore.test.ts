import { memoryStore } from '../../fakes/memoryStore.ts';
import { storeConformance } from './conformance.ts';

storeConformance('memoryStore', memoryStore);
