import assert from 'node:assert/strict';
import { eventually } from './eventually.ts';
import type { TestMesh } from './mesh.ts';
import { pairYaml } from './pairMesh.ts';
import type { Sidecar } from './sidecar.ts';

/** web calls orders; `signer` is what mesh.yaml says of it. */
export const signedMeshYaml = (target: number, signer = ''): string =>
  pairYaml(target, signer === '' ? 'ttl: 24h' : `ttl: 24h, signer: ${signer}`);

type CaStatus = {
  readonly root: { readonly subject: string };
  readonly intermediate: { readonly subject: string; readonly serial: string };
};
type Finding = { readonly code: string; readonly level: string; readonly message: string };
type Report = { readonly findings: readonly Finding[] };

/** The base64 of a PEM certificate alone. */
export const squeezed = (pem: string): string => pem.replace(/-----[^-]+-----|\s/g, '');

/** What its Envoy holds. */
export const serialOf = (sidecar: Sidecar | undefined, name: string): Promise<string | undefined> =>
  sidecar?.envoy.serialOf(`spiffe://shop.example/ns/prod/sa/${name}`) ?? assert.fail();

export const caOf = async (mesh: TestMesh): Promise<CaStatus> => (await mesh.json('ca', 'status')) as CaStatus;

/** The trust bundle, each root squeezed. */
export const rootsOf = async (mesh: TestMesh): Promise<readonly string[]> =>
  ((await mesh.json('ca', 'bundle')) as { authorities: string[] }).authorities.map(squeezed);

/** What `signet check` says of the signer. */
export const signerLine = async (mesh: TestMesh): Promise<Finding | undefined> => {
  const report = JSON.parse((await mesh.ask('check', '-o', 'json')).stdout) as Report;
  return report.findings.find(({ code }) => code === 'CHK0510');
};

/** A new certificate, which its Envoy holds. */
export const renew = async (mesh: TestMesh, sidecar: Sidecar | undefined, name: string): Promise<void> => {
  const before = await serialOf(sidecar, name);
  const { code, stderr } = await mesh.ask('ca', 'renew', `prod/${name}`);
  assert.equal(code, 0, stderr);
  await eventually(async () => assert.notEqual(await serialOf(sidecar, name), before));
};
