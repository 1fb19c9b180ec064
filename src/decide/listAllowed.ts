import { isOver, rulesFor } from '../features/authorization/plan.ts';
import { callerMatches } from '../features/authorization/rule.ts';
import type { Location } from '../lib/diagnostic.ts';
import type { Instant } from '../lib/time.ts';
import { type Mesh, ownDomains } from '../model/mesh.ts';
import type { Rule } from '../model/rule.ts';
import { connect } from './connection.ts';
import { decide } from './decide.ts';
import { showOperation } from './show.ts';
import type { Call, Verdict } from './verdict.ts';

/** Everything that a caller may do on a port, as the rules say it. */
export type Listing = {
  /** Of some call, whichever; `allow: true` says that at least one call passes. */
  readonly verdict: Verdict;
  readonly allowed: readonly ListedCall[];
  /** What deny rules take away again. */
  readonly denied: readonly ListedCall[];
};

/** `GET /orders/*`, or `any call`; and the line that says so. */
export type ListedCall = { readonly call: string; readonly location: Location; readonly until: Instant | undefined };

/** What `call.from` may do on `call.port`; `call.request` is not looked at. */
export const listAllowed = (mesh: Mesh, now: Instant, call: Call): Listing => {
  const { request: _request, ...open } = call;
  const verdict = decide(mesh, now, open);
  const service = mesh.services.get(call.to);
  const connection = connect(mesh, now, call);
  // Where only the request is missing, some call may pass; everything else refuses all of them.
  if (service === undefined || !connection.ok || (!verdict.allow && verdict.dependsOn === undefined))
    return { verdict, allowed: [], denied: [] };
  const port = { ownDomains: ownDomains(mesh), takesPlaintext: connection.value.takesPlaintext };
  const concerning = (rules: readonly Rule[]): readonly ListedCall[] =>
    rules
      .filter((rule) => !isOver(rule, now) && callerMatches(rule, connection.value.identity, port))
      .flatMap(({ to, location, until }) =>
        to.map((operation) => ({ call: showOperation(operation), location, until })),
      );
  const { deny, allow } = rulesFor(service, call.port);
  const allowed =
    allow === 'any'
      ? [{ call: 'any call', location: call.port.authorization.location, until: undefined }]
      : concerning(allow);
  const denied = concerning(deny);
  const [first] = allowed;
  if (verdict.allow || first === undefined) return { verdict, allowed, denied };
  return { verdict: { allow: true, reason: 'some calls are allowed', location: first.location }, allowed, denied };
};
