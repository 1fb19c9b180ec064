import { call, serve } from './http.mjs';

serve('orders', 18011, {
  'POST /orders': async () => {
    const payments = await call('POST', 'http://payments/charge');
    return { status: payments.status === 200 ? 200 : 502, payments };
  },
  'GET /orders/1': () => ({ order: 1, item: 'a teapot' }),
});
