import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { connect, type TLSSocket } from 'node:tls';
import { openAuthority } from '../../../src/ca/openAuthority.ts';
import { err } from '../../../src/lib/result.ts';
import { parseTrustDomain } from '../../../src/spiffe/spiffeId.ts';
import { startXdsServer, type XdsServer } from '../../../src/xds/server.ts';
import type { ServerTls } from '../../../src/xds/tls.ts';
import { memoryStore } from '../../fakes/memoryStore.ts';

const trustDomain = parseTrustDomain('shop.example') as never;

describe('the certificate that the xDS port shows', () => {
  let server: XdsServer;
  let pairs: readonly { readonly tls: ServerTls; readonly serial: string }[];

  before(async () => {
    pairs = await Promise.all(
      [1, 2, 3].map(async () => {
        const { channel } = await openAuthority({ store: memoryStore(), trustDomain, now: Date.now() });
        const { chainPem, keyPem } = channel.serverCredentials(Date.now());
        return {
          tls: { chainPem, keyPem, clientAnchorsPem: [channel.anchor()] },
          serial: new X509Certificate(chainPem).serialNumber,
        };
      }),
    );
  });
  const tlsOf = (usual: number, named: Readonly<Record<string, number>>): ServerTls => {
    const of = (at: number): ServerTls => pairs[at]?.tls ?? assert.fail();
    return { ...of(usual), named: new Map(Object.entries(named).map(([name, at]) => [name, of(at)])) };
  };
  const start = async (tls: ServerTls): Promise<void> => {
    server = await startXdsServer({
      listen: { host: '127.0.0.1', port: 0 },
      tls,
      authenticate: async () => err({ code: 'unauthenticated', message: 'nobody' }),
      admit: async () => err({ code: 'unauthenticated', message: 'nobody' }),
      onEvent: () => {},
    });
  };
  afterEach(() => server.close(0));

  /** Which of the pairs is shown to whoever says this server name. */
  const shownTo = (servername?: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const name = servername === undefined ? {} : { servername };
      const socket: TLSSocket = connect(
        { ...server.address(), ALPNProtocols: ['h2'], rejectUnauthorized: false, ...name },
        () => {
          assert.equal(socket.alpnProtocol, 'h2');
          resolve(pairs.findIndex(({ serial }) => serial === socket.getPeerCertificate().serialNumber));
          socket.destroy();
        },
      );
      socket.on('error', reject);
    });

  it('is the one that the client names, and for any other name or none the usual one', async () => {
    await start(tlsOf(0, { 'anchor-a.signet.internal': 0, 'anchor-b.signet.internal': 1 }));
    assert.deepEqual(
      await Promise.all(
        ['anchor-a.signet.internal', 'anchor-b.signet.internal', 'control-plane', undefined].map(shownTo),
      ),
      [0, 1, 0, 0],
    );
  });

  it('follows a renewal at once, names that went included', async () => {
    await start(tlsOf(0, { a: 0, b: 1 }));
    server.renewTls(tlsOf(1, { b: 2 }));
    assert.deepEqual(await Promise.all(['a', 'b', undefined].map(shownTo)), [1, 2, 1]);
    assert.throws(() => server.renewTls({ ...tlsOf(0, {}), chainPem: 'nonsense' }), { code: 'tls_invalid' });
    assert.deepEqual(await Promise.all(['a', 'b', undefined].map(shownTo)), [1, 2, 1]);
  });
});
