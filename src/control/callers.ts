import type { ServiceKey } from '../model/mesh.ts';
import type { StreamId } from './sidecar.ts';

type Upstreams = ReadonlyMap<ServiceKey, unknown>;

/** Who calls whom, by what each sidecar was planned last: an address that comes or goes asks for its callers and looks at nobody else. */
export class Callers {
  readonly #upstreams = new Map<StreamId, Upstreams>();
  readonly #callers = new Map<ServiceKey, Set<StreamId>>();

  set(stream: StreamId, upstreams: Upstreams): void {
    const before = this.#upstreams.get(stream);
    if (before === upstreams) return;
    this.#upstreams.set(stream, upstreams);
    before?.forEach((_, service) => {
      if (!upstreams.has(service)) this.#drop(stream, service);
    });
    upstreams.forEach((_, service) => {
      if (before?.has(service) === true) return;
      const known = this.#callers.get(service);
      if (known === undefined) this.#callers.set(service, new Set([stream]));
      else known.add(stream);
    });
  }

  remove(stream: StreamId): void {
    for (const service of this.#upstreams.get(stream)?.keys() ?? []) this.#drop(stream, service);
    this.#upstreams.delete(stream);
  }

  of(services: Iterable<ServiceKey>): ReadonlySet<StreamId> {
    const all = new Set<StreamId>();
    for (const service of services) for (const stream of this.#callers.get(service) ?? []) all.add(stream);
    return all;
  }

  #drop(stream: StreamId, service: ServiceKey): void {
    const callers = this.#callers.get(service);
    callers?.delete(stream);
    if (callers?.size === 0) this.#callers.delete(service);
  }
}
