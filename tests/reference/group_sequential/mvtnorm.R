# First crossings of group sequential boundaries by the multivariate normal distribution.
# Run: Rscript mvtnorm.R > mvtnorm.json
library(mvtnorm)
set.seed(1)
algorithm <- Miwa(steps = 4096)
first_crossings <- function(fractions, z, drift) {
  k <- length(fractions)
  covariance <- outer(fractions, fractions, function(a, b) sqrt(pmin(a, b) / pmax(a, b)))
  mean <- drift * sqrt(fractions)
  one <- function(j, side) {
    lower <- c(-z[seq_len(j - 1)], if (side > 0) z[j] else -Inf)
    upper <- c(z[seq_len(j - 1)], if (side > 0) Inf else -z[j])
    if (j == 1) return(pnorm(upper, mean[1]) - pnorm(lower, mean[1]))
    as.numeric(pmvnorm(lower, upper, mean = mean[1:j], sigma = covariance[1:j, 1:j], algorithm = algorithm))
  }
  list(upper = sapply(seq_len(k), one, side = 1), lower = sapply(seq_len(k), one, side = -1))
}
cases <- list(
  list(name = "two looks", fractions = c(0.5, 1), z = c(2.963, 1.969), drift = 0),
  list(name = "two looks, drift", fractions = c(0.5, 1), z = c(2.963, 1.969), drift = 2.8),
  list(name = "three uneven looks", fractions = c(0.3, 0.55, 1), z = c(2.5, 2.4, 2.1), drift = 1.3),
  list(name = "four looks, against", fractions = c(0.25, 0.4, 0.8, 1), z = c(3, 2.7, 2.3, 2), drift = -2)
)
number <- function(x) paste0("[", paste(sprintf("%.12g", x), collapse = ", "), "]")
lines <- sapply(cases, function(case) {
  found <- first_crossings(case$fractions, case$z, case$drift)
  sprintf('    {"name": "%s", "fractions": %s, "z": %s, "drift": %g,\n     "upper": %s,\n     "lower": %s}',
          case$name, number(case$fractions), number(case$z), case$drift, number(found$upper), number(found$lower))
})
cat(sprintf('{\n  "program": "%s, mvtnorm %s (Miwa, 4096 steps)",\n  "cases": [\n%s\n  ]\n}\n',
            R.version.string, packageVersion("mvtnorm"), paste(lines, collapse = ",\n")))
