/** The smallest mesh with a call in it: web may call orders, whose app listens on `target`; `more` follows as it is. */
export const webAndOrders = (target: number, more = ''): string => `
mesh: { trustDomain: shop.example }
namespaces:
  prod:
    services:
      web: {}
      orders: { ports: [8080:${target}/http], allow: [web] }
${more}`;
