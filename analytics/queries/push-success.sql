-- Of the wakes that a provider was asked for.
SELECT provider, count(*) FILTER (WHERE outcome = 'SENT') AS sent, count(*) AS asked
FROM facts
WHERE what = 'pushed' AND outcome IN ('SENT', 'FAILED')
GROUP BY provider
ORDER BY provider;
