import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryResponse,
} from '../../../src/gen/envoy/service/discovery/v3/discovery.ts';
import { Any } from '../../../src/gen/google/protobuf/any.ts';
import { readDeltaRequest, readNode, readNodeId, readRequest, readSotwRequest } from '../../../src/xds/request.ts';
import { TYPE } from '../../../src/xds/resource.ts';
import type { SessionResponse } from '../../../src/xds/sessionState.ts';
import { encodeFramed } from '../../../src/xds/wire.ts';
import { type AdsResource, type Asking, decodeResponse, encodeRequest } from '../../support/adsClient.ts';
import { decodeSotwResponse, encodeSotwRequest } from '../../support/sotwClient.ts';

const any = (bytes: Uint8Array): Uint8Array =>
  Any.encode(Any.fromPartial({ typeUrl: TYPE.cds, value: Buffer.from(bytes) })).finish();

/** Without the gRPC head, which says the length. */
const encodeResponse = (response: SessionResponse): Buffer => {
  const framed = encodeFramed(response);
  assert.deepEqual([framed[0], framed.readUInt32BE(1)], [0, framed.length - 5]);
  return framed.subarray(5);
};

const text = fc.string({ unit: 'binary' });
/** Lengths around the places where a length needs another byte. */
const payload = fc.oneof(
  fc.uint8Array(),
  fc.constantFrom(0, 1, 126, 127, 128, 16_383, 16_384).map((n) => new Uint8Array(n)),
);

const response: fc.Arbitrary<SessionResponse> = fc.record({
  variant: fc.constant('delta' as const),
  type: text,
  nonce: text,
  version: text,
  resources: fc.array(fc.record({ name: text, version: text, any: payload.map(any) })),
  removed: fc.array(text),
});

const asking: fc.Arbitrary<Required<Omit<Asking, 'nodeId' | 'names' | 'version'>>> = fc.record({
  subscribe: fc.array(text),
  unsubscribe: fc.array(text),
  initialResourceVersions: fc.dictionary(text, text),
  nonce: text,
  error: text,
});

describe('the xDS wire', () => {
  it('writes responses that ts-proto reads as they were meant', () => {
    fc.assert(
      fc.property(response, (r) => {
        const read = DeltaDiscoveryResponse.decode(encodeResponse(r));
        assert.equal(read.systemVersionInfo, r.version);
        assert.equal(read.typeUrl, r.type);
        assert.equal(read.nonce, r.nonce);
        assert.deepEqual(read.removedResources, r.removed);
        const resources = read.resources.map((x) => ({
          name: x.name,
          version: x.version,
          any: Buffer.from(Any.encode(x.resource ?? Any.fromPartial({})).finish()),
        }));
        assert.deepEqual(
          resources,
          r.resources.map((x) => ({ ...x, any: Buffer.from(x.any) })),
        );
      }),
    );
  });

  it('writes responses that an independent decoder reads as they were meant', () => {
    fc.assert(
      fc.property(response, (r) => {
        const { resources, ...rest } = decodeResponse(encodeResponse(r));
        assert.deepEqual(rest, { type: r.type, nonce: r.nonce, version: r.version, removed: r.removed });
        assert.deepEqual(
          resources.map(reencode),
          r.resources.map((x) => ({ ...x, any: Buffer.from(x.any) })),
        );
      }),
    );
  });

  it('writes responses of state of the world that both decoders read as they were meant', () => {
    fc.assert(
      fc.property(response, (r) => {
        const bytes = encodeResponse({ ...r, variant: 'sotw' });
        const read = DiscoveryResponse.decode(bytes);
        assert.deepEqual([read.versionInfo, read.typeUrl, read.nonce], [r.version, r.type, r.nonce]);
        const expected = r.resources.map((x) => Buffer.from(x.any));
        assert.deepEqual(
          read.resources.map((x) => Buffer.from(Any.encode(x).finish())),
          expected,
        );
        const other = decodeSotwResponse(bytes);
        assert.deepEqual([other.version, other.type, other.nonce], [r.version, r.type, r.nonce]);
        assert.deepEqual(
          other.resources.map(({ typeUrl, value }) => Buffer.from(Any.encode({ typeUrl, value }).finish())),
          expected,
        );
      }),
    );
  });

  it('writes for each stream what that stream is sent, whatever others were sent before', () => {
    const [a, b] = ['a', 'b'].map((name) => ({ name, version: '1', any: any(Buffer.from(name)) }));
    assert.ok(a !== undefined && b !== undefined);
    const first: SessionResponse = {
      ...{ variant: 'delta', type: TYPE.cds, nonce: 'n1', version: 'v1' },
      resources: [a, b],
      removed: [],
    };
    const others: readonly SessionResponse[] = [
      first,
      { ...first, nonce: 'another' },
      { ...first, resources: [a] },
      { ...first, resources: [a, { ...b, version: '2' }] },
      { ...first, version: 'v2' },
      { ...first, removed: ['c'] },
      { ...first, nonce: '' },
      first,
    ];
    for (const response of others) {
      const { resources, ...rest } = decodeResponse(encodeResponse(response));
      const { type, nonce, version, removed } = response;
      assert.deepEqual(rest, { type, nonce, version, removed });
      assert.deepEqual(
        resources.map(({ name, version: of }) => [name, of]),
        response.resources.map(({ name, version: of }) => [name, of]),
      );
    }
    const sotw = decodeSotwResponse(encodeResponse({ ...first, variant: 'sotw' }));
    assert.equal(sotw.resources.length, 2);
    assert.equal(sotw.version, 'v1');
  });

  it('reads requests of an independent encoder', () => {
    fc.assert(
      fc.property(
        text.filter((t) => t !== ''),
        asking,
        (type, a) => {
          const read = readDeltaRequest(encodeRequest(type, a, undefined));
          assert.ok(read.ok);
          const { request, node } = read.value;
          assert.equal(node, undefined);
          assert.equal(request.type, type);
          assert.equal(request.nonce, a.nonce);
          assert.equal(request.error, a.error.trim());
          assert.deepEqual(request.subscribe, a.subscribe);
          assert.deepEqual(request.unsubscribe, a.unsubscribe);
          assert.deepEqual(
            [...request.initialResourceVersions].sort(),
            Object.entries(a.initialResourceVersions).sort(),
          );
        },
      ),
    );
  });

  it('reads requests of state of the world of an independent encoder', () => {
    const saying = fc.record({ names: fc.array(text), version: text, nonce: text, error: text });
    fc.assert(
      fc.property(
        text.filter((t) => t !== ''),
        saying,
        (type, { names, version, nonce, error }) => {
          const bytes = encodeSotwRequest(type, { names, version, nonce, error }, { id: 'prod/web/1' });
          const read = readSotwRequest(bytes);
          assert.ok(read.ok && read.value.node !== undefined);
          const request = { kind: 'request', variant: 'sotw', type, nonce, error: error.trim(), names, version };
          assert.deepEqual(read.value.request, request);
          assert.deepEqual(readNodeId(read.value.node), { ok: true, value: 'prod/web/1' });
        },
      ),
    );
  });

  it('reads ACKs, and what is nearly one', () => {
    const urls = fc.constantFrom(...Object.values(TYPE), TYPE.cds.toLowerCase());
    const nonces = fc.oneof(fc.string(), text, fc.string({ minLength: 126, maxLength: 130 }));
    const more = fc.option(fc.record({ name: text, field: fc.constantFrom(3, 4) }), { nil: undefined });
    fc.assert(
      fc.property(urls, nonces, more, fc.nat(200), (type, nonce, other, cut) => {
        const names = (field: number): string[] => (other?.field === field ? [other.name] : []);
        const [subscribe, unsubscribe] = [names(3), names(4)];
        const bytes = DeltaDiscoveryRequest.encode(
          DeltaDiscoveryRequest.fromPartial({
            ...{ typeUrl: type, responseNonce: nonce },
            ...{ resourceNamesSubscribe: subscribe, resourceNamesUnsubscribe: unsubscribe },
          }),
        ).finish();
        const read = readDeltaRequest(bytes);
        assert.ok(read.ok);
        const { request } = read.value;
        assert.deepEqual([request.type, request.nonce, request.error], [type, nonce, undefined]);
        assert.deepEqual([request.subscribe, request.unsubscribe], [subscribe, unsubscribe]);
        const part = readDeltaRequest(bytes.subarray(0, bytes.length - 1 - cut));
        assert.ok(!part.ok || part.value.request.nonce === '' || part.value.request.nonce === nonce);
        assert.equal(readDeltaRequest(bytes, TYPE.eds).ok, type === TYPE.eds);
      }),
    );
  });

  it('takes the type of a service of one type for granted, and no other', () => {
    for (const variant of ['delta', 'sotw'] as const) {
      const encode = variant === 'delta' ? encodeRequest : encodeSotwRequest;
      for (const type of ['', TYPE.cds]) {
        const read = readRequest(encode(type, {}, undefined), { variant, only: TYPE.cds });
        assert.ok(read.ok && read.value.request.type === TYPE.cds);
      }
      const other = readRequest(encode(TYPE.eds, {}, undefined), { variant, only: TYPE.cds });
      assert.ok(!other.ok);
      assert.match(other.error, /type_url is not .*Cluster$/);
      assert.ok(!readRequest(encode('', {}, undefined), { variant, only: undefined }).ok);
    }
  });

  it('reads a request without an error as no refusal', () => {
    const read = readDeltaRequest(encodeRequest(TYPE.cds, {}, undefined));
    assert.ok(read.ok && read.value.request.error === undefined);
  });

  it('reads the node with its metadata and its build', () => {
    const metadata = { a: 'x', n: 4, deep: { list: [true, null, 'y'] } };
    const read = readDeltaRequest(encodeRequest(TYPE.cds, {}, { id: 'prod/web/1', metadata }));
    assert.ok(read.ok && read.value.node !== undefined);
    const node = readNode(read.value.node);
    assert.deepEqual(node, {
      ok: true,
      value: { id: 'prod/web/1', cluster: '', metadata, userAgent: 'envoy/1.40.0' },
    });
    assert.deepEqual(readNodeId(read.value.node), { ok: true, value: 'prod/web/1' });
  });

  it('answers any bytes with a request or a sentence, never with a throw', () => {
    const valid = DeltaDiscoveryRequest.encode(
      DeltaDiscoveryRequest.fromPartial({ typeUrl: TYPE.cds, node: { id: 'n', metadata: { a: [1] } } }),
    ).finish();
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .tuple(fc.nat(valid.length - 1), fc.nat(255))
        .map(([at, b]) => Uint8Array.from(valid, (x, i) => (i === at ? b : x))),
      fc.nat(valid.length).map((n) => valid.subarray(0, n)),
    );
    fc.assert(
      fc.property(bytes, (b) => {
        for (const read of [readDeltaRequest(b), readSotwRequest(b), readNode(b), readNodeId(b)]) {
          if (!read.ok) assert.match(read.error, /cannot be read/);
        }
      }),
      { numRuns: 800 },
    );
  });

  it('refuses metadata that is nested without end', () => {
    let value = Buffer.alloc(0);
    for (let i = 0; i < 5000; i += 1) {
      const length = [...varint(value.length)];
      // Value.list_value = 6, ListValue.values = 1
      const list = Buffer.concat([Buffer.from([0x0a, ...length]), value]);
      value = Buffer.concat([Buffer.from([0x32, ...varint(list.length)]), list]);
    }
    const entry = Buffer.concat([Buffer.from([0x0a, 1, 0x61, 0x12, ...varint(value.length)]), value]);
    const struct = Buffer.concat([Buffer.from([0x0a, ...varint(entry.length)]), entry]);
    const read = readNode(Buffer.concat([Buffer.from([0x1a, ...varint(struct.length)]), struct]));
    assert.ok(!read.ok);
    assert.match(read.error, /recursion/);
  });

  it('keeps private keys out of the words of a refusal, and cuts them short', () => {
    const key = '-----BEGIN PRIVATE KEY-----\\nMIGHAgEA\\n-----END PRIVATE KEY-----';
    for (const quoted of [key, key.slice(0, 40)]) {
      const read = readDeltaRequest(encodeRequest(TYPE.sds, { error: `bad: ${quoted}` }, undefined));
      assert.ok(read.ok);
      assert.equal(read.value.request.error, 'bad: [redacted]');
    }
    const long = readDeltaRequest(encodeRequest(TYPE.sds, { error: 'x'.repeat(100_000) }, undefined));
    assert.ok(long.ok && long.value.request.error?.length === 4096);
  });
});

const reencode = ({ name, version, typeUrl, value }: AdsResource): object => ({
  name,
  version,
  any: Buffer.from(Any.encode({ typeUrl, value }).finish()),
});

const varint = (n: number): number[] => (n < 128 ? [n] : [(n & 127) | 128, ...varint(n >>> 7)]);
