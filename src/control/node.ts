import type { ServiceKey } from '../model/mesh.ts';

/** `NAMESPACE/NAME/INSTANCE`, the only form of a node id. */
export type NodeId = { readonly id: string; readonly service: ServiceKey; readonly instance: string };

const SEGMENT = '[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?';
const NODE = new RegExp(`^(${SEGMENT}/${SEGMENT})/(${SEGMENT})$`);

/** Reads a node id; `undefined` if it has not exactly three plain segments. */
export const parseNodeId = (id: string): NodeId | undefined => {
  const [, service, instance] = NODE.exec(id) ?? [];
  return service === undefined || instance === undefined ? undefined : { id, service: service as ServiceKey, instance };
};
