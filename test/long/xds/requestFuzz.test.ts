import assert from 'node:assert/strict';
import { fuzzRequests } from '../../drills/requestFuzz.ts';

const MEBIBYTE = 1024 * 1024;

describe('the xDS server and hostile requests', function () {
  this.timeout(30_000);

  it('keeps to itself what is not theirs, ends them with a status, and goes on serving others (npm run drill:requests)', async () => {
    const report = await fuzzRequests(4, 1, { rss: 256 * MEBIBYTE, used: 96 * MEBIBYTE });
    assert.deepEqual(report.findings, []);
    assert.ok(report.requests > 20 && report.pushes > 1, JSON.stringify(report));
  });
});
