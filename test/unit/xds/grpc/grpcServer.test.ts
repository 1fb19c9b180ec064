import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { connect as connectTls, createServer, type Server, type TLSSocket } from 'node:tls';
import { newSlices } from '../../../../src/lib/slices.ts';
import type { Connection } from '../../../../src/xds/connections.ts';
import type { Call } from '../../../../src/xds/grpc/call.ts';
import { type GrpcServer, type Method, newGrpcServer } from '../../../../src/xds/grpc/grpcServer.ts';
import { STATUS } from '../../../../src/xds/grpc/status.ts';
import { LIMITS } from '../../../../src/xds/limits.ts';
import { tls } from '../../../support/controlPlaneTls.ts';
import { until } from '../../../support/until.ts';

const framed = (message: Uint8Array): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
};

/** How a call ended for its client: HTTP status, gRPC status and words, all bytes of the body. */
type Ended = { readonly http: number; readonly code: number; readonly message: string; readonly body: Buffer };

describe('the gRPC server', function () {
  this.timeout(10_000);

  let grpc: GrpcServer;
  let listener: Server;
  let client: ClientHttp2Session;
  let unserved: string[];
  let cuts: number;
  let serverSocket: TLSSocket | undefined;

  const start = async (method: Method): Promise<void> => {
    unserved = [];
    cuts = 0;
    const cut = (): void => {
      cuts += 1;
    };
    const connection = { called: () => true, cut } as unknown as Connection;
    const told = (call: Call): number => unserved.push(call.path);
    const limits = { ...LIMITS, streamsPerConnection: 4, closeWithin: 300 };
    grpc = newGrpcServer({ limits, slices: newSlices(), unserved: told });
    grpc.serve('/test/Method', method);
    listener = createServer({ cert: tls.chainPem, key: tls.keyPem, ALPNProtocols: ['h2'] }, (socket) => {
      serverSocket = socket;
      socket.on('error', () => {});
      grpc.enter(socket, connection);
    });
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const { port } = listener.address() as AddressInfo;
    const createConnection = () =>
      connectTls({
        host: '127.0.0.1',
        port,
        ca: tls.chainPem,
        ALPNProtocols: ['h2'],
        checkServerIdentity: () => undefined,
      });
    client = connectHttp2('https://control-plane', { createConnection });
    client.on('error', () => {});
  };

  afterEach(async () => {
    client.destroy();
    listener.close();
    await grpc.close();
  });

  const begin = (headers: Readonly<Record<string, string>> = {}) => {
    const all = { ':method': 'POST', ':path': '/test/Method', 'content-type': 'application/grpc', te: 'trailers' };
    const stream = client.request({ ...all, ...headers }, { endStream: false });
    const parts: Buffer[] = [];
    const seen: IncomingHttpHeaders[] = [];
    stream.on('response', (response) => seen.push(response));
    stream.on('trailers', (trailers) => seen.push(trailers));
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('error', () => {});
    const ended = new Promise<Ended>((resolve) =>
      stream.once('end', () => {
        const last = seen.at(-1) ?? {};
        const code = Number(last['grpc-status'] ?? -1);
        const message = decodeURI(String(last['grpc-message'] ?? ''));
        resolve({ http: Number(seen[0]?.[':status']), code, message, body: Buffer.concat(parts) });
        stream.close();
      }),
    );
    return { stream, ended };
  };

  const echo: Method = (call) => {
    const listen = (): void =>
      call.next((read) => {
        assert.ok(read.ok);
        if (read.value === undefined) call.end(STATUS.OK);
        else call.write(read.value, listen);
      });
    listen();
  };

  it('gives each message to whoever asks for it, and the end of the client', async () => {
    await start(echo);
    const { stream, ended } = begin();
    stream.write(Buffer.concat([framed(Buffer.from('one')), framed(Buffer.from('two')), Buffer.from([0, 0])]));
    stream.end(framed(Buffer.from('three')).subarray(2));
    const { http, code, body } = await ended;
    assert.deepEqual([http, code], [200, STATUS.OK]);
    assert.deepEqual(body, Buffer.concat(['one', 'two', 'three'].map((word) => framed(Buffer.from(word)))));
  });

  it('reads nothing before it is asked to, and holds the client back', async () => {
    let call: Call | undefined;
    await start((begun) => {
      call = begun;
    });
    const { stream } = begin();
    let taken = 0;
    for (let sent = 0; sent < 8; sent++) stream.write(framed(Buffer.alloc(64 * 1024)), () => (taken += 1));
    await until(() => call !== undefined);
    await new Promise((resolve) => setTimeout(resolve, 200));
    // The window of a stream is 64 KiB.
    assert.ok(taken < 8, `${taken} were taken`);
    const read = await call?.received();
    assert.ok(read?.ok && read.value?.length === 64 * 1024);
  });

  it('writes a long message whole, and a status after all of it', async () => {
    const message = Buffer.alloc(1_000_000, 7);
    await start((call) => {
      call.write(message);
      call.end(STATUS.UNAVAILABLE, 'gone, 100 %');
    });
    const { code, message: words, body } = await begin().ended;
    assert.deepEqual([code, words], [STATUS.UNAVAILABLE, 'gone, 100 %']);
    assert.deepEqual(body, framed(message));
  });

  it('says once how a call ended, in the headers if there was nothing before', async () => {
    await start((call) => {
      call.end(STATUS.NOT_FOUND, 'half a pair: \ud800');
      call.end(STATUS.OK);
      call.write(Buffer.from('too late'));
    });
    const { http, code, message, body } = await begin().ended;
    assert.deepEqual([http, code, message, body.length], [200, STATUS.NOT_FOUND, 'half a pair: \ufffd', 0]);
  });

  it('says no more than the headers of a client hold, in whatever script', async () => {
    for (const text of ['\n\0 "%"', 'é\u{1f512}'.repeat(100_000)]) {
      await start((call) => call.end(STATUS.NOT_FOUND, text));
      const { code, message } = await begin().ended;
      assert.deepEqual([code, message], [STATUS.NOT_FOUND, Buffer.from(text.slice(0, 500)).toString()]);
      client.destroy();
      listener.close();
    }
  });

  it('tells of a client that is gone, whoever waits for what', async () => {
    const seen: string[] = [];
    let call: Call | undefined;
    await start((begun) => {
      call = begun;
      begun.onClose(() => seen.push('closed'));
      begun.next((read) => seen.push(read.ok && read.value === undefined ? 'no more' : 'more'));
    });
    const { stream } = begin();
    await until(() => call !== undefined);
    stream.close(8);
    await until(() => seen.length === 2);
    assert.deepEqual(seen.sort(), ['closed', 'no more']);
    assert.equal(call?.closed, true);
    call?.onClose(() => seen.push('at once'));
    call?.write(Buffer.from('x'), () => assert.fail('was written'));
    call?.end(STATUS.OK);
    assert.equal(seen.length, 3);
  });

  it('tells of a client that resets its call without an error, though not all was read that it sent', async () => {
    let [begun, over] = [false, false];
    await start((call) => {
      call.onClose(() => (over = true));
      call.next(() => (begun = true));
    });
    const { stream } = begin();
    for (let sent = 0; sent < 3; sent++) stream.write(framed(Buffer.alloc(20_000)));
    await until(() => begun);
    await new Promise((resolve) => setTimeout(resolve, 50));
    stream.close(0);
    await until(() => over);
  });

  it('refuses a message that the end of the client cuts short', async () => {
    await start((call) => call.next((read) => call.end(read.ok ? STATUS.OK : read.error.code)));
    for (const cut of [3, 7]) {
      const { stream, ended } = begin();
      stream.end(framed(Buffer.from('words')).subarray(0, cut));
      assert.equal((await ended).code, STATUS.INTERNAL);
    }
  });

  it('ends a call that its client leaves open after the status, and not its connection', async () => {
    await start((call) => call.next(() => call.end(STATUS.OK)));
    const headers = { ':method': 'POST', ':path': '/test/Method', 'content-type': 'application/grpc' };
    const [silent, talking] = [client.request(headers), client.request(headers)];
    let taken = 0;
    for (const stream of [silent, talking]) {
      stream.on('error', () => {});
      stream.resume();
      stream.write(framed(Buffer.alloc(0)));
      await once(stream, 'response');
    }
    // More than the window of a stream: it is thrown away as it comes.
    for (let sent = 0; sent < 4; sent++) talking.write(Buffer.alloc(32 * 1024), () => (taken += 1));
    await until(() => taken === 4);
    await Promise.all([once(silent, 'close'), once(talking, 'close')]);
    assert.deepEqual([silent.rstCode, talking.rstCode, cuts], [0, 0, 0]);
  });

  it('answers what is not gRPC in HTTP, and what it does not serve as UNIMPLEMENTED', async () => {
    await start(echo);
    assert.equal((await begin({ ':method': 'GET' }).ended).http, 405);
    assert.equal((await begin({ 'content-type': 'application/json' }).ended).http, 415);
    assert.equal((await begin({ 'content-type': 'application/grpc-web+proto' }).ended).http, 415);
    assert.deepEqual(unserved, []);
    assert.equal((await begin({ ':path': '/test/Other' }).ended).code, STATUS.UNIMPLEMENTED);
    assert.equal((await begin({ 'grpc-encoding': 'gzip' }).ended).code, STATUS.UNIMPLEMENTED);
    assert.deepEqual(unserved, ['/test/Other', '/test/Method']);
  });

  it('ends connections when their calls have ended, and says so', async () => {
    let call: Call | undefined;
    await start((begun) => {
      call = begun;
    });
    const { ended } = begin();
    await until(() => call !== undefined);
    let closed = false;
    const closing = grpc.close().then(() => {
      closed = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(closed, false);
    call?.end(STATUS.OK);
    assert.equal((await ended).code, STATUS.OK);
    await closing;
    assert.ok(serverSocket?.destroyed);
  });
});
