import assert from 'node:assert/strict';
import { Quarantine } from '../../../src/control/quarantine.ts';
import type { Sidecar, StreamId } from '../../../src/control/sidecar.ts';
import type { Emitted } from '../../../src/emit/emitted.ts';
import { TYPE } from '../../../src/xds/resource.ts';

const sidecarAt = (port: number): Sidecar => {
  const service = 'prod/orders' as const;
  const ref = { service, address: undefined, outbound: { host: '127.0.0.1', port } };
  const stream = `s${port}` as StreamId;
  const [node, peer] = [`prod/orders/${port}`, '10.0.0.1'];
  return {
    ...{ stream, node, service, token: 't', peer, certificateEnds: undefined },
    ...{
      credential: undefined,
      envoyAdmin: undefined,
      anchors: undefined,
      address: undefined,
      ref,
      client: 'envoy',
      connectedSince: 0,
    },
  };
};

const listener = (version: string): Emitted => ({
  type: TYPE.lds,
  name: 'inbound/8080',
  version,
  any: Buffer.from(version),
  source: undefined,
});

const versions = (served: readonly { readonly version: string }[]): readonly string[] =>
  served.map(({ version }) => version);

describe('what a service remembers of listeners, for each way to listen', () => {
  const setUp = () => {
    const quarantine = new Quarantine();
    const snapshotOf = ({ name, ...rest }: Emitted) => new Map([[TYPE.lds, new Map([[name, { name, ...rest }]])]]);
    /** Took the good one, and refuses the bad one. */
    const refuse = (sidecar: Sidecar): void => {
      const { stream } = sidecar;
      const [good, bad] = [listener('good'), listener('bad')];
      const taken = new Map([[good.name, 'good']]);
      quarantine.serve(sidecar, [good]);
      quarantine.follow(
        sidecar,
        { kind: 'acked', stream, at: 0, type: TYPE.lds, version: 'v', taken, stillRefused: false },
        { snapshot: snapshotOf(good), emitted: [good] },
      );
      const resources = [{ name: bad.name, version: 'bad' }];
      quarantine.follow(
        sidecar,
        { kind: 'nacked', stream, at: 0, type: TYPE.lds, version: 'n', resources, removed: [], error: 'no' },
        { snapshot: snapshotOf(bad), emitted: [bad] },
      );
      assert.deepEqual(versions(quarantine.serve(sidecar, [bad])), ['good']);
    };
    const close = (sidecar: Sidecar): void => {
      const nothing = { snapshot: undefined, emitted: [] };
      quarantine.follow(sidecar, { kind: 'closed', stream: sidecar.stream, at: 0 }, nothing);
    };
    return { quarantine, refuse, close };
  };

  it('is not pushed out by others of the same service, live or not, while a sidecar listens so', () => {
    const { quarantine, refuse, close } = setUp();
    const mine = sidecarAt(15_001);
    refuse(mine);
    for (let port = 20_000; port < 20_600; port++) {
      const other = sidecarAt(port);
      quarantine.serve(other, [listener('bad')]);
      if (port % 2 === 0) close(other);
    }
    assert.deepEqual(versions(quarantine.serve(mine, [listener('bad')])), ['good']);
    assert.equal(quarantine.withheld(mine).length, 1);
  });

  it('outlasts a stream, and 256 that ended since, but not all that ever came', () => {
    const { quarantine, refuse, close } = setUp();
    const mine = sidecarAt(15_001);
    const comeAndGo = (from: number, to: number): void => {
      for (let port = from; port < to; port++) {
        quarantine.serve(sidecarAt(port), [listener('bad')]);
        close(sidecarAt(port));
      }
    };
    refuse(mine);
    close(mine);
    comeAndGo(20_000, 20_200);
    assert.deepEqual(versions(quarantine.serve(mine, [listener('bad')])), ['good']);
    close(mine);
    comeAndGo(21_000, 21_300);
    assert.deepEqual(versions(quarantine.serve(mine, [listener('bad')])), ['bad']);
  });
});
