import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { LoadOptions } from '../../../src/config/loadMesh.ts';
import { loadMesh } from '../../../src/config/loadMesh.ts';
import { showDiagnostic } from '../../../src/lib/diagnostic.ts';
import type { Mesh, Port, Service, ServiceKey } from '../../../src/model/mesh.ts';

/** The example of the reference, as a user would paste it. */
export const EXAMPLE = readFileSync(new URL('example.yaml', import.meta.url), 'utf8');

/** The mesh of a text that must load. */
export const meshOf = (text: string, options?: LoadOptions): Mesh => {
  const loaded = loadMesh('mesh.yaml', text, options);
  if (!loaded.ok) assert.fail(loaded.error.map(showDiagnostic).join('\n'));
  return loaded.value.mesh;
};

/** What a text that must be refused, or warned of, is told: one line each. */
export const complaints = (text: string | Uint8Array, options?: LoadOptions): readonly string[] => {
  const loaded = loadMesh('mesh.yaml', text, options);
  return (loaded.ok ? loaded.value.warnings : loaded.error).map(showDiagnostic);
};

export const serviceOf = (mesh: Mesh, key: ServiceKey): Service => {
  const service = mesh.services.get(key);
  assert.ok(service, `no service ${key}`);
  return service;
};

export const portOf = (mesh: Mesh, key: ServiceKey, name: string): Port => {
  const port = serviceOf(mesh, key).ports.find((candidate) => candidate.name === name);
  assert.ok(port, `no port ${name} of ${key}`);
  return port;
};

/** A mesh of one namespace `prod`, given its services as YAML indented by nothing. */
export const prod = (services: string, mesh = ''): string =>
  `mesh:\n  trustDomain: shop.example\n${indent(mesh, 2)}namespaces:\n  prod:\n    services:\n${indent(services, 6)}`;

const indent = (text: string, by: number): string =>
  text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => `${' '.repeat(by)}${line}\n`)
    .join('');
