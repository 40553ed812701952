# Waits until a target, from the distribution itself instead of courses: no random number in it.
#
# Site i recruits at a rate that is exponential with mean 1 / beta among sites; log(beta) is alike everywhere before
# any patient came.  Given beta, what a site has brought is negative binomial, its rate gamma with shape
# 1 + patients, rate beta + days; what all bring within t days is then a sum of negative binomials, whose
# probabilities follow from their generating function by a recursion.  The wait is over by t if that sum reaches what
# is missing.  Over beta by the trapezoid rule; the quantile by root finding.
# For one site alone the same in closed form: m missing, n patients, d days: (d m / n) F(2 m, 2 n) days, checked here.
# Run: Rscript recruiting.R > recruiting.csv   (base R alone)
scenarios <- list(
  one_site = list(target = 100, n = 30, days = 400, open = TRUE),
  one_site_last_patient = list(target = 31, n = 30, days = 4000, open = TRUE),
  one_site_few_came = list(target = 20, n = 4, days = 40, open = TRUE),
  opened_at_different_times = list(target = 227, n = c(30, 12, 9, 3, 1, 0), days = c(420, 300, 180, 90, 30, 1),
                                   open = rep(TRUE, 6)),
  nobody_at_most_sites = list(target = 60, n = c(14, 0, 0, 0, 0, 0, 0, 0), days = rep(200, 8), open = rep(TRUE, 8)),
  best_site_closed = list(target = 120, n = c(40, 6, 4, 2), days = c(365, 365, 200, 100),
                          open = c(FALSE, TRUE, TRUE, TRUE)),
  one_site_of_many_is_open = list(target = 50, n = c(20, 15, 2), days = c(300, 300, 60), open = c(FALSE, FALSE, TRUE)),
  twenty_sites = list(target = 227, n = c(11, 9, 8, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 2, 1, 1, 0, 0, 0),
                      days = seq(400, 20, by = -20), open = rep(TRUE, 20))
)
below <- function(t, missing, a, d, beta) {     # P(sum < missing), for each beta
  q <- t / (t + outer(beta, d, "+"))
  s <- vapply(1:missing, function(j) as.vector(q^j %*% a), beta)
  s <- matrix(s, nrow = length(beta))
  p <- matrix(0, length(beta), missing)
  p[, 1] <- exp(log1p(-q) %*% a)
  for (k in seq_len(missing - 1))
    p[, k + 1] <- rowSums(s[, 1:k, drop = FALSE] * p[, k:1, drop = FALSE]) / k
  rowSums(p)
}
rows <- lapply(names(scenarios), function(name) {
  s <- scenarios[[name]]
  logs <- seq(-14, 14, length.out = 321) + log(sum(s$days) / sum(s$n)); beta <- exp(logs)
  w <- vapply(beta, function(b) sum(dnbinom(s$n, size = 1, prob = b / (b + s$days), log = TRUE)), 0)
  w <- exp(w - max(w)); w <- w / sum(w)
  keep <- w > 1e-12; beta <- beta[keep]; w <- w[keep]
  a <- (1 + s$n)[s$open]; d <- s$days[s$open]
  missing <- s$target - sum(s$n)
  start <- missing / sum(w * (outer(beta, d, function(b, d) 1 / (b + d)) %*% a))
  at <- function(q) uniroot(function(t) 1 - sum(w * below(t, missing, a, d, beta)) - q, start * c(.001, 50),
                            tol = 1e-4)$root
  q <- vapply(c(.1, .5, .9), at, 0)
  if (length(s$n) == 1) stopifnot(all(abs(q / (s$days * missing / s$n * qf(c(.1, .5, .9), 2 * missing, 2 * s$n)) - 1) < 2e-4))
  data.frame(name, target = s$target, patients = paste(s$n, collapse = " "), days = paste(s$days, collapse = " "),
             open = paste(as.integer(s$open), collapse = " "), earliest = round(q[1], 2), median = round(q[2], 2),
             latest = round(q[3], 2),
             per_month = round(30.4375 * sum(w * (outer(beta, d, function(b, d) 1 / (b + d)) %*% a)), 6))
})
write.csv(do.call(rbind, rows), stdout(), row.names = FALSE, quote = FALSE)
