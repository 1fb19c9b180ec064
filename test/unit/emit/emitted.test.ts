import assert from 'node:assert/strict';
import { encode } from '../../../src/emit/emitted.ts';
import { Cluster } from '../../../src/gen/envoy/config/cluster/v3/cluster.ts';

describe('a resource that cannot be encoded', () => {
  it('is named with its line, instead of an error of the encoder alone', () => {
    const cluster = { ...Cluster.fromPartial({ name: 'prod/web' }), connectTimeout: { seconds: 2n ** 80n, nanos: 0 } };
    assert.throws(() => encode(Cluster, cluster, { file: 'mesh.yaml', line: 7, column: 3 }), {
      message: /^mesh\.yaml:7 envoy\.config\.cluster\.v3\.Cluster prod\/web cannot be encoded: ./,
    });
  });
});
