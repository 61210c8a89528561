SELECT reason, count(*) AS refusals
FROM facts
WHERE what = 'send_refused'
GROUP BY reason
ORDER BY refusals DESC, reason
LIMIT 20;
