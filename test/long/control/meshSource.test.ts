import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rename, rm, symlink, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '../../../src/control/clock.ts';
import { type MeshFollower, MeshSource, type MeshSourceOptions } from '../../../src/control/meshSource.ts';
import { refuseOlderBundle } from '../../../src/control/olderBundle.ts';
import type { Diagnostic } from '../../../src/lib/diagnostic.ts';
import { AppError } from '../../../src/lib/errors.ts';
import { err, ok } from '../../../src/lib/result.ts';
import type { Mesh } from '../../../src/model/mesh.ts';
import type { TrustDomain } from '../../../src/spiffe/spiffeId.ts';
import { memoryStore } from '../../fakes/memoryStore.ts';
import { until } from '../../support/until.ts';

const mistake = (file: string): Diagnostic => ({
  code: 'SIG0001',
  severity: 'error',
  message: 'no such word',
  path: '',
  location: { file, line: 1, column: 1 },
});

/** A file is good if it ends in `end`, and says what it says in its first line; `huge` is too much. */
const load: MeshSourceOptions['load'] = async (file, bytes) => {
  const text = Buffer.from(bytes).toString();
  if (text.startsWith('huge')) throw new AppError('mesh_unloadable', 'too much to load');
  if (!text.trimEnd().endsWith('end')) return err([mistake(file)]);
  const mesh: Mesh = {
    revision: text.split('\n')[0] ?? '',
    trustDomain: 'test.example' as TrustDomain,
    trustDomainAliases: [],
    trust: /^bundle \d+$/m.test(text) ? [bundle(Number(/^bundle (\d+)$/m.exec(text)?.[1]))] : [],
    certificates: { ttl: 1, curve: 'P-256', rootLife: 1 },
    rejoin: 1,
    services: new Map(),
  };
  return ok({ mesh, warnings: [] });
};

const bundle = (sequence: number): Mesh['trust'][number] => ({
  trustDomain: 'partner.example' as TrustDomain,
  authorities: [],
  ends: [],
  sequence,
  file: 'partner.json',
  location: { file: 'mesh.yaml', line: 1, column: 1 },
});

describe('mesh source', () => {
  let folder: string;
  let file: string;
  let source: MeshSource | undefined;
  const store = { current: memoryStore() };
  let served: string[];
  let problems: string[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'signet-mesh-'));
    file = join(folder, 'mesh.yaml');
    store.current = memoryStore();
    served = [];
    problems = [];
  });

  afterEach(async () => {
    await source?.close();
    source = undefined;
    await rm(folder, { recursive: true });
  });

  const open = async (refuse: MeshFollower['refuse'] = () => undefined): Promise<MeshSource> => {
    source = await MeshSource.open({ file, store: store.current, clock: systemClock, load });
    source.start({
      refuse,
      onMesh: (state) => served.push(state.mesh.revision),
      onProblem: ({ message }) => problems.push(message),
      onFailure: (_what, error) => {
        throw error;
      },
    });
    return source;
  };

  it('follows a file that is written over', async () => {
    await writeFile(file, 'one\nend\n');
    const opened = await open();
    assert.equal(opened.state().mesh.revision, 'one');
    await writeFile(file, 'two\nend\n');
    await until(() => served.includes('two'));
    assert.equal(opened.state().mesh.revision, 'two');
  });

  it('follows saves by rename, again and again', async () => {
    await writeFile(file, 'one\nend\n');
    await open();
    for (const name of ['two', 'three', 'four']) {
      await writeFile(join(folder, '.mesh.yaml.swp'), `${name}\nend\n`);
      await rename(join(folder, '.mesh.yaml.swp'), file);
      await until(() => served.includes(name));
    }
    assert.deepEqual(served, ['two', 'three', 'four']);
  });

  it('follows a save that first moves the old file away', async () => {
    await writeFile(file, 'one\nend\n');
    await open();
    await rename(file, `${file}~`);
    await writeFile(file, 'two\nend\n');
    await until(() => served.includes('two'));
    assert.deepEqual(problems, []);
  });

  it('follows a link to another folder, by looking again', async () => {
    const other = await mkdtemp(join(tmpdir(), 'signet-mesh-'));
    await writeFile(join(other, 'a.yaml'), 'one\nend\n');
    await symlink(join(other, 'a.yaml'), file);
    await open();
    await writeFile(join(other, 'a.yaml'), 'two\nend\n');
    await until(() => served.includes('two'), 6_000);
    await rm(other, { recursive: true });
  }).timeout(10_000);

  it('waits for a file that is half written', async () => {
    await writeFile(file, 'one\nend\n');
    await open();
    await writeFile(file, 'two\nthis is not yet the');
    await new Promise((resolve) => setTimeout(resolve, 200));
    await writeFile(file, 'two\nthis is not yet the\nend\n');
    await until(() => served.includes('two'));
    assert.deepEqual(problems, []);
  });

  it('serves the last good mesh whatever happens to the file, says why, and recovers', async () => {
    await writeFile(file, 'one\nend\n');
    const opened = await open();
    await writeFile(file, 'broken\n');
    await until(() => problems.length === 1);
    assert.equal(opened.state().mesh.revision, 'one');
    assert.equal(opened.state().problem?.diagnostics[0]?.code, 'SIG0001');
    await unlink(file);
    await until(() => problems.length === 2);
    assert.match(problems[1] ?? '', /^there is no /);
    assert.equal(opened.state().mesh.revision, 'one');
    await writeFile(file, 'one\nend\n');
    await until(() => opened.state().problem === undefined);
  }).timeout(10_000);

  it('follows only what is a file, and never waits for what is none', async () => {
    await writeFile(file, 'one\nend\n');
    const opened = await open();
    await unlink(file);
    await promisify(execFile)('mkfifo', [file]);
    await until(() => problems.some((message) => message.includes('no regular file')));
    await unlink(file);
    await symlink(file, file);
    await until(() => problems.some((message) => message.includes('ELOOP')));
    await unlink(file);
    await writeFile(file, '');
    await truncate(file, 64 * 1024 * 1024);
    await until(() => problems.some((message) => message.includes('larger than')));
    assert.equal(opened.state().mesh.revision, 'one');
    await writeFile(file, 'two\nend\n');
    await until(() => served.includes('two'));
  });

  it('keeps what it serves where the loader gives up, says why, and recovers', async () => {
    await writeFile(file, 'one\nend\n');
    const opened = await open();
    await writeFile(file, 'huge\nend\n');
    await until(() => problems.includes('too much to load'));
    assert.equal(opened.state().mesh.revision, 'one');
    await writeFile(file, 'two\nend\n');
    await until(() => served.includes('two'));
    assert.equal(opened.state().problem, undefined);
  });

  it('refuses what must not follow, and says so', async () => {
    await writeFile(file, 'one\nend\n');
    const opened = await open((next) =>
      next.revision === 'two' ? { message: 'two is not for you', again: false } : undefined,
    );
    await writeFile(file, 'two\nend\n');
    await until(() => opened.state().problem?.message === 'two is not for you');
    assert.equal(opened.state().mesh.revision, 'one');
  });

  it('asks again about what is refused for now, and says why once', async () => {
    await writeFile(file, 'one\nend\n');
    let ready = false;
    const opened = await open((next) =>
      next.revision === 'two' && !ready ? { message: 'two must wait', again: true } : undefined,
    );
    await writeFile(file, 'two\nend\n');
    await until(() => opened.state().problem?.message === 'two must wait');
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    assert.deepEqual([opened.state().mesh.revision, problems], ['one', ['two must wait']]);
    ready = true;
    await until(() => opened.state().mesh.revision === 'two');
    assert.equal(opened.state().problem, undefined);
  });

  it('takes a save before it is followed once it is found twice, and keeps what it had beside a bad one', async () => {
    await writeFile(file, 'one\nend\n');
    source = await MeshSource.open({ file, store: store.current, clock: systemClock, load });
    const looked = async (text: string): Promise<readonly (string | undefined)[]> => {
      await writeFile(file, text);
      await source?.reread();
      const first = source?.state().mesh.revision;
      await source?.reread();
      return [first, source?.state().mesh.revision, source?.state().problem?.message];
    };
    assert.deepEqual(await looked('one\nend\n'), ['one', 'one', undefined]);
    assert.deepEqual(await looked('two\nend\n'), ['one', 'two', undefined]);
    assert.deepEqual(await looked('three\n'), ['two', 'two', `${file} has an error`]);
    assert.deepEqual(await looked('two\nend\n'), ['two', 'two', undefined]);
    // What is half written now is another thing at the next look.
    await writeFile(file, 'four\nend\n');
    await source.reread();
    assert.deepEqual(await looked('five\nend\n'), ['two', 'five', undefined]);
    assert.deepEqual(store.current.list(''), []);
  });

  it('does not start for the first time without a good file', async () => {
    await assert.rejects(open(), { code: 'mesh_invalid' });
    await writeFile(file, 'broken\n');
    await assert.rejects(open(), (error: { code: string; cause: Diagnostic[] }) => {
      assert.equal(error.code, 'mesh_invalid');
      assert.equal(error.cause[0]?.code, 'SIG0001');
      return true;
    });
  });

  it('serves the last good mesh after a restart beside a broken file', async () => {
    await writeFile(file, 'one\nend\n');
    await (await open()).close();
    await writeFile(file, 'broken\n');
    const opened = await open();
    assert.equal(opened.state().mesh.revision, 'one');
    assert.match(opened.state().problem?.message ?? '', /has an error/);
    await writeFile(file, 'two\nend\n');
    await until(() => served.includes('two'));
  });

  it('goes back to no older bundle of another trust domain, at a restart either', async () => {
    await writeFile(file, 'one\nbundle 7\nend\n');
    await (await open(refuseOlderBundle)).close();
    await writeFile(file, 'two\nbundle 6\nend\n');
    const older =
      /^partner\.json is an older bundle of partner\.example \(spiffe_sequence 6\) than the one in force \(7\): /;
    const opened = await open(refuseOlderBundle);
    assert.equal(opened.state().mesh.revision, 'one');
    assert.match(opened.state().problem?.message ?? '', older);
    await writeFile(file, 'three\nbundle 7\nend\n');
    await until(() => served.includes('three'));
    await writeFile(file, 'four\nbundle 6\nend\n');
    await until(() => older.test(opened.state().problem?.message ?? ''));
    assert.equal(opened.state().mesh.revision, 'three');
    // It counts anew, says the operator.
    await writeFile(file, 'five\nend\n');
    await until(() => served.includes('five'));
    await writeFile(file, 'six\nbundle 1\nend\n');
    await until(() => served.includes('six'));
  });

  it('serves each content once, however many events it makes', async () => {
    await writeFile(file, 'one\nend\n');
    await open();
    for (let i = 0; i < 20; i++) await writeFile(file, `${i}\nend\n`);
    await until(() => served.includes('19'));
    assert.ok(served.length <= 3, served.join());
  });
});
