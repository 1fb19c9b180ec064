// Outlives the demo by a moment: when the demo's end of the pipe closes, however that happened, it ends what is left.
import { sweep } from './sweep.mjs';

const run = process.argv[2];
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
process.stdin.resume().on('end', () => sweep(run).then(() => process.exit(0)));
