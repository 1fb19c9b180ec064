import { call, serve } from './http.mjs';

serve('web', 18010, {
  'GET /buy': async () => {
    const orders = await call('POST', 'http://orders/orders');
    return { status: orders.status, orders };
  },
});
