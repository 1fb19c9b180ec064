import assert from 'node:assert/strict';
import { loadMesh } from '../../../src/config/loadMesh.ts';
import { type Renaming, refuseRename } from '../../../src/control/renaming.ts';
import type { Mesh } from '../../../src/model/mesh.ts';
import type { Progress } from '../../../src/xds/sessionState.ts';

const called = (trustDomain: string, ...aliases: readonly string[]): Mesh => {
  const loaded = loadMesh('mesh.yaml', JSON.stringify({ mesh: { trustDomain, trustDomainAliases: aliases } }));
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
  return loaded.value.mesh;
};

const around = (progress: readonly Progress[], more: Partial<Renaming> = {}): Renaming => ({
  fleet: {
    members: () =>
      progress.map((progress, index) => ({ sidecar: { node: `prod/web/${index}` }, record: { progress } }) as never),
  },
  planning: () => false,
  awaited: () => [],
  fault: () => undefined,
  ...more,
});

const quiet = around(['settled', 'settled']);

describe('the trust domain of a mesh that is served', () => {
  it('may stay, whatever happens to its aliases', () => {
    assert.equal(refuseRename(called('a.example', 'b.example'), called('a.example'), around(['pending'])), undefined);
    assert.equal(refuseRename(called('a.example'), called('a.example', 'b.example'), around(['pending'])), undefined);
  });

  it('becomes an alias of it only, with the old one as an alias', () => {
    const both = called('a.example', 'b.example');
    assert.equal(refuseRename(called('b.example', 'a.example'), both, quiet), undefined);
    const unknown = refuseRename(called('c.example', 'a.example'), both, quiet);
    assert.match(unknown?.message ?? '', /^mesh\.trustDomain was a\.example and is c\.example: first add c\.example/);
    const lost = refuseRename(called('b.example'), both, quiet);
    assert.match(lost?.message ?? '', /: keep a\.example in mesh\.trustDomainAliases until/);
    assert.deepEqual([unknown?.again, lost?.again], [false, false]);
  });

  it('is refused where a CA may not sign for the new one', () => {
    const both = called('a.example', 'b.example');
    const fault = (name: string) => `the mesh root 1 permits no ${name}`;
    const refusal = refuseRename(called('b.example', 'a.example'), both, around(['settled'], { fault }));
    assert.match(refusal?.message ?? '', /: the mesh root 1 permits no b\.example; first import a chain/);
    assert.equal(refusal?.again, false);
  });

  it('waits for every sidecar that does not know both, for plans, and for those who are coming back', () => {
    const ask = (renaming: Renaming) =>
      refuseRename(called('b.example', 'a.example'), called('a.example', 'b.example'), renaming);
    const waiting: readonly (readonly [Renaming, RegExp])[] = [
      [around(['settled', 'pending']), /: prod\/web\/1$/],
      [around(['refused', 'pending', 'pending']), /: prod\/web\/0 and 2 more$/],
      [around(['settled'], { awaited: () => ['prod/web/9'] }), /: prod\/web\/9$/],
      [around(['settled'], { planning: () => true }), /: their configuration is being made$/],
    ];
    for (const [renaming, message] of waiting) {
      const refusal = ask(renaming);
      assert.match(refusal?.message ?? '', message);
      assert.equal(refusal?.again, true);
    }
  });
});
