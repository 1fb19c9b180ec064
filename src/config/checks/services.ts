import type { Check } from './check.ts';

/** A service stands once; two that share an identity are told apart by nobody's rules. */
export const services: Check = (outline, report) => {
  for (const service of outline.repeated) {
    report({
      code: 'SIG0401',
      place: service.place,
      at: 'key',
      message: `the service ${service.key} is defined twice`,
      first: outline.services.get(service.key)?.place,
    });
  }
  for (const namespace of outline.namespaces.values()) {
    for (const [identity, [first, ...others]] of namespace.identities) {
      for (const other of others)
        report({
          code: 'SIG0402',
          place:
            other.spec.identity === undefined ? other.place : (other.place.children.get('identity') ?? other.place),
          at: other.spec.identity === undefined ? 'key' : 'value',
          severity: 'warning',
          message: `${other.name} and ${first?.name} share the identity ${identity}: every rule for one is for both`,
        });
    }
  }
};
