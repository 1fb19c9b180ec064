import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { execSigner } from '../../../src/ca/external/execSigner.ts';
import { eventually } from '../../support/eventually.ts';
import { HOUR, WEB } from '../../unit/ca/support.ts';

const ask = { csr: 'the request\n', use: 'leaf', id: WEB, ttl: HOUR } as const;
const signer = (script: string, timeout = 10_000, closed = new AbortController()) =>
  execSigner({
    command: [process.execPath, '-e', script],
    folder: '/',
    timeout,
    env: process.env,
    closed: closed.signal,
  });
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('the exec signer', () => {
  it('gives the request on stdin, what it is for in the environment, and takes stdout', async () => {
    const { SIGNET_SIGN, SIGNET_ID, SIGNET_TTL_SECONDS } = {
      SIGNET_SIGN: 'leaf',
      SIGNET_ID: WEB,
      SIGNET_TTL_SECONDS: '3600',
    };
    const script = `const e = process.env; process.stdin.on('data', (d) => process.stdout.write([d, e.SIGNET_SIGN, e.SIGNET_ID, e.SIGNET_TTL_SECONDS].join('|')))`;
    assert.equal(
      await signer(script).sign(ask),
      ['the request\n', SIGNET_SIGN, SIGNET_ID, SIGNET_TTL_SECONDS].join('|'),
    );
  });

  it('is no shell: an argument is an argument', async () => {
    const command = [process.execPath, '-e', 'process.stdout.write(process.argv[1])', '$(id); rm *'];
    const { sign } = execSigner({
      command,
      folder: '/',
      timeout: 10_000,
      env: {},
      closed: new AbortController().signal,
    });
    assert.equal(await sign(ask), '$(id); rm *');
  });

  const faults: readonly (readonly [string, string, RegExp])[] = [
    ['ends with another code', 'console.error("no\\nHSM"); process.exit(3)', /^it ended with 3 \(stderr: no HSM\)$/],
    [
      'ends by a signal',
      'process.kill(process.pid, "SIGTERM")',
      /^it ended with SIGTERM \(without a word on stderr\)$/,
    ],
    ['prints nothing', '', /^it ended with 0 and printed nothing/],
    ['prints too much', 'process.stdout.write("x".repeat(200000))', /^it wrote more than 64 KiB to stdout/],
    [
      'prints without end',
      'setInterval(() => process.stdout.write("x".repeat(9999)), 1)',
      /^it wrote more than 64 KiB/,
    ],
    [
      'shows a key',
      'console.error("-----BEGIN PRIVATE KEY-----\\nMII\\n-----END PRIVATE KEY-----"); process.exit(1)',
      /^it ended with 1 \(stderr: \[redacted\]\)$/,
    ],
    ['does not read', 'process.exit(1)', /^it ended with 1/],
  ];
  for (const [name, script, complaint] of faults)
    it(`that ${name} is told in a sentence`, async () => {
      await assert.rejects(signer(script).sign({ ...ask, csr: 'x'.repeat(100_000) }), {
        code: 'signer_failed',
        message: complaint,
      });
    });

  it('that is not there, or may not be executed, is told by name', async () => {
    const of = (program: string) =>
      execSigner({ command: [program], folder: '/', timeout: 1_000, env: {}, closed: new AbortController().signal });
    await assert.rejects(of('/no/such').sign(ask), { message: 'it cannot be started: there is no such program' });
    await assert.rejects(of('/proc/version').sign(ask), { message: 'it cannot be started: it may not be executed' });
    assert.equal(of('/no/such').name, 'the signer (exec /no/such)');
  });

  it('that hangs is ended with all that it started, after its timeout or when Signet shuts down', async () => {
    const script = `const { spawn } = require('node:child_process');
      const below = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
      console.error('pids ' + process.pid + ' ' + below.pid + ' ');
      setInterval(() => {}, 1000)`;
    const pids = (message: string) => /pids (\d+) (\d+)/.exec(message)?.slice(1).map(Number) ?? [];
    const thrown = await signer(script, 500)
      .sign(ask)
      .catch((error: Error) => error);
    assert.match(String(thrown), /gave no answer within 500ms, and was ended/);
    assert.equal(pids(String(thrown)).length, 2);
    await eventually(async () => assert.deepEqual(pids(String(thrown)).map(isAlive), [false, false]));
    const closed = new AbortController();
    const asking = signer(script, 60_000, closed).sign(ask);
    closed.abort();
    await assert.rejects(asking, { message: 'Signet shuts down' });
  });
});
