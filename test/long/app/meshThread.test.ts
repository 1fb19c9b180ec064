import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { meshLoader } from '../../../src/app/meshLoader.ts';
import { type MeshThread, meshThread } from '../../../src/app/meshThread.ts';

const mesh = (services: number, trustDomain = 'shop.example'): Buffer =>
  Buffer.from(
    [
      `mesh: { trustDomain: ${trustDomain} }`,
      'services:',
      ...Array.from({ length: services }, (_, index) => [
        `  s${index}:`,
        '    ports: [8080:3000/http]',
        `    uses: { s${(index + 1) % services}: 9001 }`,
        '    allow:',
        `      - { from: "*", to: [GET /items/*, POST /items], until: 2020-01-01T00:00:00Z }`,
      ]).flat(),
      '',
    ].join('\n'),
  );

/** `${NAME}.example` */
const fromEnv = (name: string): string => `\${${name}}.example`;

describe('a mesh file loaded in a thread', () => {
  const threads: MeshThread[] = [];
  const openThread = (options: Parameters<typeof meshThread>[1] = {}): MeshThread => {
    const entry = new URL('../../support/meshWorker.mjs', import.meta.url);
    const thread = meshThread({ WHO: 'world' }, { entry, ...options });
    threads.push(thread);
    return thread;
  };
  const open = (options: Parameters<typeof meshThread>[1] = {}): MeshThread['load'] => openThread(options).load;
  after(() => Promise.all(threads.map(({ close }) => close())));

  it('is the same frozen mesh, warnings and errors that loading it at once gives, small or large', async () => {
    const load = open();
    const loadNow = meshLoader({ WHO: 'world' });
    for (const bytes of [
      mesh(3),
      mesh(150),
      mesh(150, fromEnv('WHO')),
      mesh(150, 'UPPER'),
      mesh(150, fromEnv('NOBODY')),
    ]) {
      assert.deepEqual(await load('mesh.yaml', bytes), loadNow('mesh.yaml', bytes));
    }
    const large = await load('mesh.yaml', mesh(150));
    if (!large.ok) throw new Error('it is good');
    const service = large.value.mesh.services.get('default/s7');
    for (const part of [
      large.value.mesh,
      large.value.warnings,
      service,
      service?.rules[0]?.to[0]?.methods,
      service?.location,
    ])
      assert.ok(Object.isFrozen(part));
    assert.throws(() => (large.value.mesh.services as Map<unknown, unknown>).clear(), TypeError);
  });

  it('is given the files that it names, and says which they are', async () => {
    const load = open();
    const loadNow = meshLoader({ WHO: 'world' });
    const trust = 'trust: [{ trustDomain: partner.example, bundle: { file: partner.pem } }]';
    const bytes = mesh(150, `shop.example, ${trust}`);
    const root = readFileSync(new URL('../../golden/diagnostics/trust/good.pem', import.meta.url));
    for (const beside of [new Map(), new Map([['partner.pem', root]]), new Map([['partner.pem', 'does not exist']])]) {
      const loaded = await load('mesh.yaml', bytes, beside);
      assert.deepEqual(loaded, loadNow('mesh.yaml', bytes, beside));
      assert.deepEqual([loaded.named, loaded.ok], [['partner.pem'], beside.get('partner.pem') === root]);
      if (loaded.ok) assert.ok(Object.isFrozen(loaded.value.mesh.trust[0]));
    }
  });

  it('leaves the event loop free meanwhile', async () => {
    let turns = 0;
    const count = setInterval(() => turns++, 1);
    const load = open();
    await load('mesh.yaml', mesh(150));
    turns = 0;
    assert.ok((await load('mesh.yaml', mesh(1_000))).ok);
    clearInterval(count);
    assert.ok(turns > 5, `${turns}`);
  });

  describe('has a thread', () => {
    // Answers every file with an error that says which thread it is, and whether it had begun long before.
    const script = `
      import { parentPort, threadId } from 'node:worker_threads';
      import { serialize } from 'node:v8';
      const begun = Date.now();
      parentPort.on('message', () => {
        const diagnostics = [serialize([{ threadId, age: Date.now() - begun }])];
        parentPort.postMessage({ ok: false, diagnostics });
      });`;
    const entry = new URL(`data:text/javascript,${encodeURIComponent(script)}`);
    const asked = async (thread: MeshThread): Promise<{ readonly threadId: number; readonly age: number }> => {
      const loaded = await thread.load('mesh.yaml', mesh(150));
      return loaded.ok ? { threadId: 0, age: 0 } : (loaded.error[0] as unknown as { threadId: number; age: number });
    };

    it('of its own for as long as files come, and another one later', async () => {
      const thread = openThread({ restAfter: 200, entry });
      const [first, second] = [await asked(thread), await asked(thread)];
      assert.equal(second.threadId, first.threadId);
      await sleep(400);
      assert.notEqual((await asked(thread)).threadId, first.threadId);
    });

    it('that begins before the file comes, once it is known that files are large, and rests if none comes', async () => {
      const thread = openThread({ restAfter: 500, entry });
      thread.prepare();
      const first = await asked(thread);
      await sleep(800);
      thread.prepare();
      await sleep(400);
      const prepared = await asked(thread);
      assert.notEqual(prepared.threadId, first.threadId);
      assert.ok(first.age < 100 && prepared.age > 100, `${first.age} ${prepared.age}`);
      await sleep(800);
      thread.prepare();
      await sleep(1_000);
      assert.ok((await asked(thread)).age < 100, 'the one that was prepared for nothing has ended');
    });
  });

  it('is refused with a sentence where it takes too much memory, and the next one is loaded', async () => {
    const load = open({ heapMiB: 48 });
    await assert.rejects(load('mesh.yaml', mesh(20_000)), {
      code: 'mesh_unloadable',
      message: /^mesh\.yaml \(\d+ bytes\) takes more than 48 MiB of memory to load: make it smaller$/,
    });
    assert.ok((await load('mesh.yaml', mesh(100))).ok);
  });
});
