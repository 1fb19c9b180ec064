import assert from 'node:assert/strict';
import { connect } from 'node:http2';
import { status } from '@grpc/grpc-js';
import type { CaKeyPair } from '../../../src/ca/caCertificate.ts';
import { makeCa } from '../../../src/ca/caCertificate.ts';
import { extensionDer, oidSequenceDer, pem, SEQUENCE, tlv } from '../../../src/ca/der.ts';
import { newKey } from '../../../src/ca/keys.ts';
import { leafExtensions } from '../../../src/ca/profile.ts';
import { newSerial, signCertificate } from '../../../src/ca/sign.ts';
import { OID } from '../../../src/spiffe/oid.ts';
import { parseTrustDomain } from '../../../src/spiffe/spiffeId.ts';
import { TYPE } from '../../../src/xds/resource.ts';
import type { AdsClient } from '../../support/adsClient.ts';
import { type Pair, startWired, type WiredControl } from '../../support/wiredControl.ts';

const MESH = `mesh: { trustDomain: shop.example }
namespaces:
  prod:
    services:
      web: { ports: [8080:3000/http] }
      orders: { ports: [8080:3001/http] }
`;
const WEB = 'spiffe://shop.example/ns/prod/sa/web';
const NODE = 'prod/web/a';
const HOUR = 3_600_000;

/** A certificate as its profile never is, in one respect. */
type Odd = {
  readonly names?: readonly (readonly [tag: number, text: string])[];
  readonly from?: number;
  readonly to?: number;
  readonly extensions?: Buffer;
};

const certificate = (issuer: CaKeyPair, odd: Odd = {}): Pair => {
  const key = newKey('P-256');
  const names = (odd.names ?? [[0x86, WEB]]).map(([tag, text]) => tlv(tag, Buffer.from(text)));
  const der = signCertificate(
    {
      serial: newSerial(),
      issuer: issuer.certificate.subject,
      subject: tlv(SEQUENCE),
      notBefore: Math.floor((Date.now() + (odd.from ?? -60_000)) / 1000) * 1000,
      notAfter: Math.floor((Date.now() + (odd.to ?? HOUR)) / 1000) * 1000,
      spki: key.spki,
      extensions: [
        odd.extensions ?? leafExtensions('workload'),
        extensionDer(OID.subjectAltName, true, tlv(SEQUENCE, ...names)),
      ],
    },
    issuer.signer,
  );
  return { chainPem: pem('CERTIFICATE', der) + issuer.certificate.pem, keyPem: key.privatePem };
};

const isCa = extensionDer(OID.basicConstraints, true, tlv(SEQUENCE, Buffer.from([0x01, 0x01, 0xff])));
const clientUse = extensionDer(OID.extKeyUsage, false, oidSequenceDer([OID.clientAuth]));

describe('a client certificate on the xDS port', function () {
  this.timeout(15_000);
  let wired: WiredControl;
  let token: string;

  const served = async (client: AdsClient): Promise<void> => {
    client.ask(TYPE.lds);
    assert.equal((await client.next()).type, TYPE.lds);
  };
  const refused = async (client: AdsClient): Promise<{ readonly code: status; readonly details: string }> => {
    client.ask(TYPE.lds);
    const { code, details } = await client.ended;
    assert.match(details, /^[^\n]{10,200}$/);
    return { code, details };
  };
  const joined = async (service = 'prod/web', node = NODE): Promise<ReturnType<WiredControl['certificateOf']>> => {
    // As much as possible is left of it, so that what refuses is not that the token is spent.
    token = await wired.token(service, 9, 24 * HOUR);
    const first = wired.open({ nodeId: node, token });
    await served(first);
    first.close();
    await first.ended;
    return wired.certificateOf(node);
  };
  const tokenId = (): string => token.split('_')[1] ?? '';

  beforeEach(async () => {
    wired = await startWired(MESH);
  });
  afterEach(() => wired.close());

  it('serves the instance that it was issued to, without its token', async () => {
    const own = await joined();
    await served(wired.open({ nodeId: NODE, certificate: own }));
    assert.deepEqual(wired.refused, []);
  });

  it('refuses every other certificate as UNAUTHENTICATED, and a good token does not make up for it', async () => {
    await joined();
    const { root, intermediate, channel } = wired.ca;
    const trustDomain = parseTrustDomain('shop.example') as never;
    const stranger = makeCa('root', { trustDomain, life: HOUR, now: Date.now(), curve: 'P-256' });
    const two = [[0x86, WEB] as const, [0x86, WEB.replace('web', 'orders')] as const];
    const foreign = /not one of this mesh, or not valid now/;
    const odd: readonly (readonly [string, Pair, RegExp])[] = [
      ['expired', certificate(intermediate, { from: -2 * HOUR, to: -HOUR }), foreign],
      ['not valid yet', certificate(intermediate, { from: HOUR, to: 2 * HOUR }), foreign],
      ['of a foreign CA', certificate(stranger), foreign],
      ['of the channel CA', certificate(channel), foreign],
      ['for servers only', certificate(intermediate, { extensions: leafExtensions('server') }), foreign],
      ['with two URIs', certificate(intermediate, { names: two }), /exactly one URI/],
      [
        'with a DNS name, too',
        certificate(intermediate, {
          names: [
            [0x86, WEB],
            [0x82, 'web'],
          ],
        }),
        /no X.509-SVID/,
      ],
      ['without a name', certificate(intermediate, { names: [] }), /exactly one URI/],
      ['with CA:TRUE', certificate(root, { extensions: Buffer.concat([isCa, clientUse]) }), /is a CA/],
      ['never issued to anybody', certificate(intermediate), /does not admit this sidecar/],
    ];
    for (const [what, pair, words] of odd) {
      for (const credentials of [{ certificate: pair }, { certificate: pair, token }]) {
        const { code, details } = await refused(wired.open({ nodeId: NODE, ...credentials }));
        assert.equal(code, status.UNAUTHENTICATED, what);
        assert.match(details, words, what);
      }
    }
    assert.deepEqual(wired.refused, Array(20).fill('unauthenticated'));
    await served(wired.open({ nodeId: NODE, token }));
  });

  it('refuses one that was revoked, and every other one of that instance, whatever comes with it', async () => {
    const first = await joined();
    await wired.renew('prod/web');
    await served(wired.open({ nodeId: NODE, certificate: first }));
    await wired.renew('prod/web');
    const second = wired.certificateOf(NODE);
    const live = wired.open({ nodeId: NODE, certificate: second });
    await served(live);
    const done = await wired.control.revocation.revoke({ what: first.serial });
    assert.ok(done.ok);
    assert.equal((await live.ended).code, status.UNAUTHENTICATED);
    for (const pair of [first, second]) {
      for (const credentials of [{ certificate: pair }, { certificate: pair, token }]) {
        assert.equal((await refused(wired.open({ nodeId: NODE, ...credentials }))).code, status.UNAUTHENTICATED);
      }
    }
    await served(wired.open({ nodeId: 'prod/web/b', token }));
  });

  it('refuses it under another node id as PERMISSION_DENIED: it joins nobody', async () => {
    token = await wired.token('prod/web', 10);
    const first = wired.open({ nodeId: NODE, token });
    await served(first);
    const own = wired.certificateOf(NODE);
    for (const nodeId of ['prod/web/b', 'prod/orders/a', '']) {
      assert.equal((await refused(wired.open({ nodeId, certificate: own }))).code, status.PERMISSION_DENIED, nodeId);
    }
    assert.deepEqual(
      wired.control.listTokens().map(({ joined }) => joined),
      [1],
    );
  });

  it('takes it together with the token that it joined with, and with no other', async () => {
    const own = await joined();
    await served(wired.open({ nodeId: NODE, certificate: own, token }));
    for (const other of [await wired.token('prod/web'), await wired.token('prod/orders'), 'nonsense']) {
      const { code } = await refused(wired.open({ nodeId: NODE, certificate: own, token: other }));
      assert.equal(code, status.UNAUTHENTICATED);
    }
  });

  it('ends its streams when the token is revoked, and takes it no more', async () => {
    const own = await joined();
    const client = wired.open({ nodeId: NODE, certificate: own });
    await served(client);
    await wired.control.revokeToken(tokenId());
    assert.equal((await client.ended).code, status.UNAUTHENTICATED);
    assert.equal((await refused(wired.open({ nodeId: NODE, certificate: own }))).code, status.UNAUTHENTICATED);
  });

  it('refuses it, with the words for a wrong token, once its join is over or its service has another identity', async () => {
    const wrong = await refused(wired.open({ nodeId: NODE, token: 'nonsense' }));
    const own = await joined();
    await wired.save(MESH.replace('web: {', 'web: { identity: shop,'));
    assert.deepEqual(await refused(wired.open({ nodeId: NODE, certificate: own })), wrong);
    await wired.save(MESH);
    await served(wired.open({ nodeId: NODE, certificate: own }));
    await wired.save(MESH.replace('shop.example }', 'shop.example, rejoin: 1h }'));
    wired.clock.jump(2 * HOUR);
    assert.deepEqual(await refused(wired.open({ nodeId: NODE, certificate: own })), wrong);
  });

  it('takes it on after it was renewed, over restarts too, until it ends', async () => {
    const first = await joined();
    // Less than certificates are backdated by: OpenSSL's clock stands still here.
    await wired.clock.advance(50_000);
    const client = wired.open({ nodeId: NODE, token });
    await served(client);
    for (let i = 0; i < 3; i++) await wired.renew('prod/web');
    assert.notEqual(wired.certificateOf(NODE).serial, first.serial);
    await served(wired.open({ nodeId: NODE, certificate: first }));
    const { store, clock } = wired;
    await wired.close();
    wired = await startWired(MESH, { store, clock });
    await served(wired.open({ nodeId: NODE, certificate: first }));
    // What refuses is Signet's own look at the moment of the call.
    clock.jump(first.notAfter - clock.now());
    assert.equal((await refused(wired.open({ nodeId: NODE, certificate: first }))).code, status.UNAUTHENTICATED);
    await served(wired.open({ nodeId: NODE, certificate: wired.certificateOf(NODE) }));
  });

  it('has an instance that joined come back by either credential, after restarts and after its token’s time', async () => {
    token = await wired.token('prod/web', 2, 1_000);
    const first = wired.open({ nodeId: NODE, token });
    await served(first);
    const { store, clock } = wired;
    await wired.close();
    await clock.advance(5_000);
    for (let restart = 0; restart < 2; restart++) {
      wired = await startWired(MESH, { store, clock });
      const certificate = wired.certificateOf(NODE);
      for (const credential of [{ token }, { certificate }]) await served(wired.open({ nodeId: NODE, ...credential }));
      // One use is left, but too late.
      assert.equal((await refused(wired.open({ nodeId: 'prod/web/b', token }))).code, status.UNAUTHENTICATED);
      if (restart === 0) await wired.close();
    }
  });

  it('ends a stream before its certificate ends, as UNAVAILABLE, and not all streams at once', async () => {
    const own = await joined();
    const clients = Array.from({ length: 8 }, () => wired.open({ nodeId: NODE, certificate: own }));
    for (const client of clients) await served(client);
    const left = own.notAfter - wired.clock.now();
    const ended: number[] = [];
    for (const client of clients) {
      void client.ended.then(({ code }) => {
        assert.equal(code, status.UNAVAILABLE);
        ended.push(ended.length);
      });
    }
    await wired.clock.advance(0.79 * left);
    assert.equal(ended.length, 0);
    const counts = new Set<number>();
    for (let i = 0; i < 16; i++) {
      await wired.clock.advance(0.01 * left);
      await new Promise((resolve) => setTimeout(resolve, 20));
      counts.add(ended.length);
    }
    assert.equal(ended.length, 8);
    assert.ok(counts.size > 3, `${counts.size} steps`);
  });

  it('ends the stream of a machine that slept past the certificate within 30 s', async () => {
    const own = await joined();
    const client = wired.open({ nodeId: NODE, certificate: own });
    await served(client);
    wired.clock.jump(own.notAfter - wired.clock.now());
    await wired.clock.advance(30_000);
    assert.equal((await client.ended).code, status.UNAVAILABLE);
  });

  it('does not forget who is here when the clock jumps beyond `mesh.rejoin`', async () => {
    token = await wired.token('prod/web', 1, HOUR);
    const client = wired.open({ nodeId: NODE, token });
    await served(client);
    // The house is kept each hour; who is here was noted ten minutes before.
    await wired.clock.advance(HOUR - 60_000);
    wired.clock.jump(8 * 24 * HOUR);
    await wired.clock.advance(1);
    client.close();
    await client.ended;
    await served(wired.open({ nodeId: NODE, token }));
  });

  it('has the connection of a refused certificate closed, so that its successor is shown on a new one', async () => {
    const own = await joined();
    const { xds, anchorPem } = wired.join(token);
    const session = connect(`https://127.0.0.1:${xds.port}`, {
      ...{ ca: anchorPem, cert: own.chainPem, key: own.keyPem },
      checkServerIdentity: () => undefined,
    });
    await wired.control.revokeToken(tokenId());
    const path = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';
    const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' };
    const request = session.request(headers);
    request.on('error', () => {});
    const goneAway = new Promise<number>((resolve) => session.on('goaway', resolve));
    assert.equal(await goneAway, 0);
    session.destroy();
  });
});
