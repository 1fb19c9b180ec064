// `npm run drill:requests [-- SEED SECONDS]`: hostile clients against the xDS server, over real connections, beside good ones.
import { fuzzRequests } from './requestFuzz.ts';

const MEBIBYTE = 1024 * 1024;
const GROWTH = { rss: 256 * MEBIBYTE, used: 96 * MEBIBYTE };

const [seedText = `${Date.now() % 1_000_000}`, secondsText = '60'] = process.argv.slice(2);
const [seed, seconds] = [Number(seedText), Number(secondsText)];
if (!Number.isInteger(seed) || !(seconds > 0)) {
  console.error('usage: npm run drill:requests -- [SEED [SECONDS]]');
  process.exit(2);
}

console.log(`seed ${seed}, ${seconds} s`);
const report = await fuzzRequests(seed, seconds, GROWTH);
for (const finding of new Set(report.findings.slice(0, 20))) console.error(finding);
const mebibytes = (bytes: number): string => `${Math.round(bytes / MEBIBYTE)} MiB`;
const ends = Object.entries(report.ends).map(([code, count]) => `${count} ${code}`);
console.log(
  `seed ${seed}: ${report.streams} streams (${ends.join(', ')}), ${report.requests} requests, ${report.responses} responses, ` +
    `${report.pushes} pushes (slowest ${Math.round(report.slowest)} ms), RSS ${mebibytes(report.before.rss)} to ` +
    `${mebibytes(report.after.rss)}, in use ${mebibytes(report.before.used)} to ${mebibytes(report.after.used)}, ${report.findings.length} findings`,
);
// A drill that tried nothing has found nothing out.
process.exit(report.findings.length > 0 || report.requests < 100 ? 1 : 0);
