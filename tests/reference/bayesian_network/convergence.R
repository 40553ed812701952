# R-hat, effective sample sizes and Pareto-smoothed weights of R's posterior 1.4.0 and loo 2.5.1 (R 4.2.2), of
# chains made here by a recursion that any language can repeat.
# Run: Rscript convergence.R > convergence.json
suppressPackageStartupMessages({ library(posterior); library(loo) })
# Four chains of an autoregression, driven by a congruential generator; one chain shifted, one heavy-tailed.
uniforms <- function(n, seed) { u <- numeric(n); s <- seed
  for (i in 1:n) { s <- (s * 16807) %% 2147483647; u[i] <- s / 2147483647 }; u }
chain <- function(n, seed, rho, shift, power) { z <- qnorm(uniforms(n, seed)); x <- numeric(n); x[1] <- z[1]
  for (i in 2:n) x[i] <- rho * x[i - 1] + sqrt(1 - rho^2) * z[i]; shift + sign(x) * abs(x)^power }
made <- list(
  even = sapply(1:4, function(c) chain(501, 100 * c + 7, 0.6, 0, 1)),
  shifted = sapply(1:4, function(c) chain(500, 100 * c + 7, 0.3, 0.4 * (c == 2), 1)),
  heavy = sapply(1:4, function(c) chain(500, 100 * c + 7, -0.3, 0, 2.5)))
num <- function(x) formatC(x, digits = 15, format = "g")
out <- sapply(made, function(x) sprintf('{"r_hat": %s, "ess_bulk": %s, "ess_tail": %s, "mc_error": %s}',
  num(rhat(x)), num(ess_bulk(x)), num(ess_tail(x)), num(mcse_mean(x))))
ratios <- list(mild = chain(2000, 11, 0, 0, 1), strong = 1.5 * chain(2000, 13, 0, 0, 1.3))
weights <- sapply(names(ratios), function(k) { p <- suppressWarnings(psis(ratios[[k]], r_eff = if (k == "mild") 1 else 0.5))
  w <- weights(p, log = TRUE, normalize = TRUE)[, 1]
  sprintf('{"k": %s, "largest": %s, "mean_square": %s}', num(p$diagnostics$pareto_k), num(max(w)), num(sum(exp(2 * w)))) })
cat("{\n", paste(c(sprintf(' "%s": %s', names(out), out), sprintf(' "%s": %s', names(weights), weights)), collapse = ",\n"), "\n}\n", sep = "")
