import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { envoyIsReady } from '../../../src/app/envoyReady.ts';
import { askEnvoy } from '../../../src/control/askEnvoy.ts';

const OUTBOUND = { host: '127.0.0.1', port: 15_001 };

describe('what answers at an Envoy admin port', () => {
  let server: Server;
  let answer: RequestListener;
  const admin = () => ({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  const listeners = (text: string): void => {
    answer = ({ url }, response) => void response.end(url === '/ready' ? 'LIVE' : text);
  };

  beforeEach(async () => {
    server = createServer((request, response) => answer(request, response)).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it('is ready once it has the outbound port itself', async () => {
    const bound = (address: string, port_value: number) =>
      JSON.stringify({ listener_statuses: [{ local_address: { socket_address: { address, port_value } } }] });
    listeners(bound('127.0.0.1', 15_001));
    assert.equal(await envoyIsReady(admin(), OUTBOUND), true);
    for (const other of [bound('127.0.0.2', 15_001), bound('127.0.0.1', 15_002), '{}']) {
      listeners(other);
      assert.equal(await envoyIsReady(admin(), OUTBOUND), false);
    }
  });

  it('is no Envoy if it says no JSON', async () => {
    for (const text of ['', 'hello', 'null', '{"listener_statuses":5}']) {
      listeners(text);
      await assert.rejects(envoyIsReady(admin(), OUTBOUND), {
        code: 'not_envoy',
        message: /is no Envoy: it says no JSON/,
      });
    }
  });

  it('is no Envoy if it never stops, and is not listened to any longer', async () => {
    let written = 0;
    const isClosed = new Promise((resolve) => {
      answer = (_, response) => {
        const chunk = Buffer.alloc(65_536);
        const more = (): void => {
          while (!response.destroyed) {
            written += chunk.length;
            if (!response.write(chunk)) break;
          }
        };
        response.on('drain', more).on('close', () => resolve(undefined));
        more();
      };
    });
    const { port } = admin();
    await assert.rejects(envoyIsReady(admin(), OUTBOUND), {
      code: 'not_envoy',
      message: `what answers at 127.0.0.1:${port} is no Envoy admin API: it says more than 4 MiB to /ready`,
    });
    await isClosed;
    assert.ok(written < 64 * 1024 * 1024);
  });

  it('does not answer if it says its words one by one', async () => {
    answer = (_, response) => {
      const timer = setInterval(() => response.write('x'), 50);
      response.on('close', () => clearInterval(timer));
    };
    assert.equal(await askEnvoy(admin(), '/certs'), undefined);
  });
});
