import { err, ok, type Result } from '../lib/result.ts';
import { didYouMean } from '../lib/suggest.ts';
import type { Principal } from '../model/rule.ts';
import { type TrustDomain, workloadId } from '../spiffe/spiffeId.ts';
import type { DeclaredNamespace } from './declared.ts';
import { parseCaller } from './forms/caller.ts';
import type { Problem } from './forms/problem.ts';
import type { Outline } from './outline.ts';
import type { RuleScope } from './rules.ts';

/**
 * Whom a written caller means. Names are identities of the rule's own namespace unless they say another.
 * `'unknown'`: a namespace could not be read, so nothing can be said.
 */
export const resolveCaller = (
  outline: Outline,
  trustDomain: TrustDomain,
  scope: RuleScope,
  written: string,
): Result<Principal | 'anyone', Problem | 'unknown'> => {
  const form = parseCaller(written);
  if (!form.ok) return form;
  const caller = form.value;
  switch (caller.kind) {
    case 'anyone':
      return ok('anyone');
    case 'mesh':
      return ok({ kind: 'mesh' });
    case 'id':
      return ok({ kind: 'id', id: caller.id });
    case 'namespace': {
      const problem = namespaceProblem(outline, caller.namespace);
      return problem === undefined ? ok({ kind: 'namespace', namespace: caller.namespace }) : err(problem);
    }
    case 'identity': {
      const namespace = caller.namespace ?? homeOf(scope);
      if (namespace === undefined) return err(homeless(outline, caller.identity));
      const problem = identityProblem(outline, namespace, caller.identity);
      return problem === undefined
        ? ok({ kind: 'id', id: workloadId(trustDomain, namespace, caller.identity) })
        : err(problem);
    }
  }
};

/** Why a namespace cannot be meant, if it cannot. */
export const namespaceProblem = (outline: Outline, name: string): Problem | 'unknown' | undefined => {
  if (outline.namespaces.has(name)) return undefined;
  if (outline.incomplete) return 'unknown';
  const hint = didYouMean(name, outline.namespaces.keys());
  return {
    code: 'SIG0503',
    message: `there is no namespace ${name.slice(0, 80)}`,
    ...(hint === undefined ? {} : { hint }),
  };
};

const homeOf = (scope: RuleScope): string | undefined => {
  if (scope.kind === 'mesh') return undefined;
  return scope.kind === 'namespace' ? scope.namespace.name : scope.service.namespace;
};

const identityProblem = (outline: Outline, namespace: string, identity: string): Problem | 'unknown' | undefined => {
  const home = outline.namespaces.get(namespace);
  if (home === undefined) return namespaceProblem(outline, namespace);
  if (home.identities.has(identity)) return undefined;
  // A service that could not be read, or not its identity, may be the one.
  if (home.incomplete || [...home.services.values()].some(({ identityUnread }) => identityUnread)) return 'unknown';
  const hint = identityHint(outline, home, identity);
  return {
    code: 'SIG0502',
    message: `no service of ${namespace} has the identity ${identity}`,
    ...(hint === undefined ? {} : { hint }),
  };
};

const identityHint = (outline: Outline, home: DeclaredNamespace, identity: string): string | undefined => {
  const service = home.services.get(identity);
  if (service !== undefined) return `the service ${identity} has the identity ${service.identity}`;
  const elsewhere = [...outline.namespaces.values()].find((other) => other.identities.has(identity));
  return elsewhere === undefined
    ? didYouMean(identity, home.identities.keys())
    : `did you mean ${elsewhere.name}/${identity}?`;
};

const homeless = (outline: Outline, identity: string): Problem => {
  const home = [...outline.namespaces.values()].find((namespace) => namespace.identities.has(identity));
  return {
    code: 'SIG0502',
    message: `a rule of the mesh has no namespace to look up ${identity} in`,
    hint: `write ${home?.name ?? 'NAMESPACE'}/${identity}`,
  };
};
