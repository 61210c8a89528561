-- Users who sent or had a session, by day (UTC).
SELECT CAST(make_timestamp_ms(time_ms) AS DATE) AS day, count(DISTINCT user_key) AS users
FROM facts
WHERE what IN ('accepted', 'session_started')
GROUP BY day
ORDER BY day;
