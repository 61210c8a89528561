-- Each message once, whatever retries there were.
SELECT kind, count(DISTINCT (conversation_key, seq)) AS messages
FROM facts
WHERE what = 'accepted'
GROUP BY kind
ORDER BY messages DESC, kind;
