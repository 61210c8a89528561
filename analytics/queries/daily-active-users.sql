-- Users who sent a message, or whose devices got or read one, by day (UTC).
SELECT CAST(make_timestamp_ms(time_ms) AS DATE) AS day, count(DISTINCT user_key) AS users
FROM facts
WHERE what IN ('accepted', 'delivered_to', 'read_up_to')
GROUP BY day
ORDER BY day;
