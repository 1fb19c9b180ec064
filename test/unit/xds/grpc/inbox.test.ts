import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { newInbox } from '../../../../src/xds/grpc/inbox.ts';
import { STATUS } from '../../../../src/xds/grpc/status.ts';
import { until } from '../../../support/until.ts';

const framed = (message: Uint8Array, flag = 0): Buffer => {
  const head = Buffer.alloc(5);
  head[0] = flag;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
};

describe('the messages of a call', () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 });
  const cuts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 });

  it('are the same, however the bytes are cut', () => {
    fc.assert(
      fc.property(messages, cuts, fc.boolean(), (sent, sizes, takeAtOnce) => {
        const inbox = newInbox(100);
        const came: Uint8Array[] = [];
        const takeAll = (): void => {
          for (let next = inbox.take(); next.ok && next.value !== undefined; next = inbox.take()) came.push(next.value);
        };
        let rest = Buffer.concat(sent.map((message) => framed(message)));
        for (let at = 0; rest.length > 0; at++) {
          const size = sizes[at % sizes.length] ?? 1;
          inbox.push(rest.subarray(0, size));
          rest = rest.subarray(size);
          if (takeAtOnce) takeAll();
        }
        takeAll();
        assert.deepEqual(
          came.map((message) => [...message]),
          sent.map((message) => [...message]),
        );
      }),
    );
  });

  it('are refused by their head if they are too long, before their bytes come', () => {
    const inbox = newInbox(100);
    inbox.push(framed(Buffer.alloc(101)).subarray(0, 5));
    const read = inbox.take();
    assert.ok(!read.ok);
    assert.deepEqual(read.error, {
      code: STATUS.RESOURCE_EXHAUSTED,
      message: 'a message has 101 bytes, and at most 100 are taken',
    });
  });

  it('are refused if they are compressed', () => {
    const inbox = newInbox(100);
    inbox.push(framed(Buffer.from('x'), 1));
    const read = inbox.take();
    assert.equal(read.ok ? 'ok' : read.error.code, STATUS.INTERNAL);
  });

  it('are not kept when they were taken', async () => {
    const inbox = newInbox(1024 * 1024);
    const taken = ((): WeakRef<ArrayBufferLike> => {
      // Of its own memory, and not of Node's pool.
      const bytes = Buffer.alloc(1024 * 1024);
      bytes.writeUInt32BE(bytes.length - 5, 1);
      inbox.push(bytes);
      const read = inbox.take();
      assert.ok(read.ok && read.value?.length === bytes.length - 5);
      return new WeakRef(bytes.buffer);
    })();
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    await until(() => {
      collect();
      return taken.deref() === undefined;
    });
    assert.deepEqual(inbox.end(), { ok: true, value: undefined });
  });

  it('cost no more than their size if they come byte by byte', function () {
    this.timeout(5_000);
    const inbox = newInbox(1024 * 1024);
    const before = process.memoryUsage().arrayBuffers;
    for (const byte of framed(Buffer.alloc(1024 * 1024, 7))) inbox.push(Buffer.from([byte]));
    assert.ok(process.memoryUsage().arrayBuffers - before < 16 * 1024 * 1024);
    const read = inbox.take();
    assert.ok(read.ok && read.value?.equals(Buffer.alloc(1024 * 1024, 7)));
  });
});
