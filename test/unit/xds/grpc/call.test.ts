import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { ServerHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Connection } from '../../../../src/xds/connections.ts';
import { Call } from '../../../../src/xds/grpc/call.ts';
import { STATUS } from '../../../../src/xds/grpc/status.ts';
import { LIMITS } from '../../../../src/xds/limits.ts';

type Written = (error?: Error) => void;

/** Takes what is written when it is told to. */
const newStream = () => {
  const waiting: Written[] = [];
  const stream = Object.assign(new EventEmitter(), {
    ...{ headersSent: false, destroyed: false, closed: false },
    state: {},
    said: [] as string[],
    takeOne: (error?: Error): void => waiting.shift()?.(error),
    respond: (): void => {
      stream.headersSent = true;
      stream.said.push('headers');
    },
    write: (bytes: Buffer, written: Written): void => {
      stream.said.push(`${bytes.length}`);
      waiting.push(written);
    },
    end: (): void => void stream.said.push('end'),
    resume: (): void => {},
  });
  return stream;
};

const callOn = (stream: ReturnType<typeof newStream>, raw: readonly string[] = []): Call => {
  const [socket, connection] = [{} as TLSSocket, { cut: () => {} } as unknown as Connection];
  const headers = { ':path': '/test/Method' };
  return new Call({ socket, connection, stream: stream as unknown as ServerHttp2Stream, headers, raw }, LIMITS);
};

describe('a gRPC call', () => {
  it('writes a long message in pieces of 64 KiB, each when the one before it was taken', () => {
    const stream = newStream();
    let written = 0;
    callOn(stream).write(Buffer.alloc(150_000), () => {
      written += 1;
    });
    assert.deepEqual(stream.said, ['headers', '65536']);
    stream.takeOne();
    stream.takeOne();
    assert.deepEqual(stream.said, ['headers', '65536', '65536', `${150_005 - 2 * 65_536}`]);
    assert.equal(written, 0);
    stream.takeOne();
    assert.equal(written, 1);
  });

  it('ends after the last piece of what is being written', () => {
    const stream = newStream();
    const call = callOn(stream);
    call.write(Buffer.alloc(100_000));
    call.end(STATUS.UNAVAILABLE, 'later');
    assert.deepEqual(stream.said, ['headers', '65536']);
    stream.takeOne();
    assert.deepEqual(stream.said, ['headers', '65536', `${100_005 - 65_536}`, 'end']);
  });

  it('names every authorization, of which Node would drop the second, and no value that looks like one', () => {
    const raw = ['authorization', 'Bearer one', 'x-other', 'authorization', 'authorization', 'Bearer two'];
    assert.deepEqual(callOn(newStream(), raw).authorization, ['Bearer one', 'Bearer two']);
  });

  it('writes nothing more when a piece was not taken', () => {
    const stream = newStream();
    callOn(stream).write(Buffer.alloc(100_000), () => assert.fail('was written'));
    stream.takeOne(new Error('reset'));
    assert.deepEqual(stream.said, ['headers', '65536']);
  });
});
