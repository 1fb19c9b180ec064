// `npm run generate`: src/gen/ from the pinned Envoy API. Does nothing when it is fresh.
import { messageOf } from '../src/lib/errors.ts';
import { generate } from './protos.ts';

try {
  generate();
} catch (thrown) {
  console.error(messageOf(thrown));
  process.exitCode = 1;
}
