/**
 * Every name that Signet gives to an Envoy resource. Dashboards and stats read them: they are a public contract.
 * No `:` in stat prefixes, which Envoy would rewrite.
 */
export const inboundListenerName = (port: number): string => `inbound/${port}`;
export const inboundRouteName = (port: number): string => `inbound/${port}`;
/**
 * The application itself, behind its sidecar: `app/8080/127.0.0.1:3001`. It names the target, so that a policy that Envoy refuses to replace
 * goes on in front of the application that it was written for, and never in front of the next one.
 */
export const appClusterName = (port: number, target: string): string => `${appStatName(port)}/${target}`;
/** Its stats, whatever the target. */
export const appStatName = (port: number): string => `app/${port}`;
/** One port of another service, for example `prod/orders/8080`. */
export const upstreamClusterName = (service: string, port: number): string => `${service}/${port}`;
/** The shared outbound port, and each local port from `uses`. */
export const outboundListenerName = (port: number): string => `outbound/${port}`;
/** A local port that is the shared one already. */
export const clashingListenerName = (port: number): string => `outbound/${port}/local`;
export const OUTBOUND_ROUTE_NAME = 'outbound';
export const localRouteName = (port: number): string => `outbound/${port}`;
/** The control plane, in bootstraps. */
export const CONTROL_PLANE_CLUSTER = 'signet';

export const RBAC_DENY = 'signet.rbac.deny';
export const RBAC_ALLOW = 'signet.rbac.allow';
