import type { RequestFacts } from '../features/authorization/rule.ts';
import type { Instant } from '../lib/time.ts';
import type { Mesh, Port, Service } from '../model/mesh.ts';
import type { Connection } from './connection.ts';

/** Everything that rules look at. */
export type Question = {
  readonly mesh: Mesh;
  readonly now: Instant;
  readonly service: Service;
  readonly port: Port;
  readonly connection: Connection;
  readonly request: RequestFacts;
};
