import assert from 'node:assert/strict';
import type { ServerHttp2Stream } from 'node:http2';
import { Client, credentials, type MethodDefinition, Server, ServerCredentials } from '@grpc/grpc-js';
import { writeInPieces } from '../../../src/xds/longMessages.ts';
import type { Call } from '../../../src/xds/stream.ts';

const identity = (bytes: Buffer): Buffer => bytes;
const method: MethodDefinition<Buffer, Buffer> = {
  path: '/test/Stream',
  requestStream: true,
  responseStream: true,
  requestSerialize: identity,
  requestDeserialize: identity,
  responseSerialize: identity,
  responseDeserialize: identity,
};

describe('long messages', () => {
  it('reach the transport in pieces and the client whole and in order', async () => {
    const written: number[] = [];
    const server = new Server();
    const serve = (call: Call): void => {
      const { stream } = (call as unknown as { call: { stream: ServerHttp2Stream } }).call;
      const whole = stream._write.bind(stream);
      stream._write = (chunk: Buffer, ...rest) => {
        written.push(chunk.length);
        whole(chunk, ...rest);
      };
      writeInPieces(call);
      for (const [byte, size] of [100, 1_000_000, 64 * 1024, 0].entries()) call.write(Buffer.alloc(size, byte + 1));
      call.end();
    };
    server.addService({ stream: method }, { stream: serve });
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    const call = client.makeBidiStreamRequest(method.path, identity, identity);
    const came: Buffer[] = [];
    for await (const message of call as AsyncIterable<Buffer>) came.push(message);
    client.close();
    server.forceShutdown();

    assert.deepEqual(came, [
      Buffer.alloc(100, 1),
      Buffer.alloc(1_000_000, 2),
      Buffer.alloc(64 * 1024, 3),
      Buffer.alloc(0),
    ]);
    assert.ok(Math.max(...written) <= 64 * 1024, `written at once: ${Math.max(...written)}`);
  });
});
