-- From stored to acked by a device of the recipient, in ms (clocks of two machines).
SELECT count(*) AS deliveries,
  quantile_disc(time_ms - sent_time_ms, 0.5) AS p50_ms,
  quantile_disc(time_ms - sent_time_ms, 0.99) AS p99_ms
FROM facts
WHERE what = 'delivered_to' AND sent_time_ms IS NOT NULL;
