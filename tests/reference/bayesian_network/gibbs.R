# Posteriors of networks by Gibbs sampling: an independent second way to every number.
# Run: Rscript gibbs.R FOLDER_OF_META_ANALYSIS_DATA > gibbs.json   (JAGS 4.3.1, rjags 4-13, R 4.2.2)
#
# The models are those of NICE DSU TSD 2 to 4 in their own parametrization: a study's level is that of its
# first arm, differences of later arms are drawn one after another, each given those before (the correction
# for several arms).  No whitening, no levels of studies, another sampler.  Written out for this program.
suppressPackageStartupMessages({ library(rjags); library(coda) })
folder <- commandArgs(TRUE)[1]
get <- function(name) read.csv(file.path(folder, paste0("dat.", name, ".csv")), stringsAsFactors = FALSE)
here <- function(name) read.csv(paste0(name, ".csv"), stringsAsFactors = FALSE)

LIKELIHOOD <- list(
  logit = "r[j] ~ dbin(p[j], n[j])\n logit(p[j]) <- theta[j]",
  cloglog = "r[j] ~ dbin(p[j], n[j])\n cloglog(p[j]) <- log(time[j]) + theta[j]",
  poisson = "r[j] ~ dpois(m[j])\n log(m[j]) <- log(n[j]) + theta[j]",
  normal = "r[j] ~ dnorm(theta[j], 1 / n[j])")
FITTED <- list(
  logit = "dev[j] <- 2 * (ifelse(r[j] > 0, r[j] * log(max(r[j], 0.5) / (n[j] * p[j])), 0) +
    ifelse(r[j] < n[j], (n[j] - r[j]) * log(max(n[j] - r[j], 0.5) / (n[j] * (1 - p[j]))), 0))",
  poisson = "dev[j] <- 2 * (m[j] - r[j] + ifelse(r[j] > 0, r[j] * log(max(r[j], 0.5) / m[j]), 0))",
  normal = "dev[j] <- (r[j] - theta[j])^2 / n[j]")
FITTED$cloglog <- FITTED$logit

# x holds the columns of each arm less those of its study's first arm; k the arm's number in its study.
program <- function(family, random, slope) paste0("model {
 for (j in 1:N) { ", LIKELIHOOD[[family]], "\n", FITTED[[family]], "
  theta[j] <- mu[s[j]] + delta[j]", if (slope) " + beta * act[j] * (mu[s[j]] - at)" else "", "
  fixed[j] <- inprod(x[j, ], d[]) }
", if (random) " for (j in 1:N) { delta[j] <- ifelse(k[j] == 1, 0, draw[j])
  draw[j] ~ dnorm(ifelse(k[j] == 1, 0, fixed[j] + shift[j]), ifelse(k[j] == 1, 1, prec * 2 * (k[j] - 1) / max(k[j], 2)))
  shift[j] <- w[second[j]] / 2  # of a third arm, by the second: no study here has more arms
  w[j] <- ifelse(k[j] == 2, delta[j] - fixed[j], 0) }
 w[N + 1] <- 0\n tau ~ dunif(0, 5)\n prec <- 1 / (tau * tau)
" else " for (j in 1:N) { delta[j] <- fixed[j] }\n", "
 for (i in 1:S) { mu[i] ~ dnorm(0, 0.0001) }
 for (c in 1:P) { d[c] ~ dnorm(0, 0.0001) }
 total <- sum(dev[])
", if (slope) " beta ~ dnorm(0, 0.0001)\n", "}")

# Columns: consistency, a comparison each (unrelated), or a split of one pair, shared by its two arms
columns <- function(a, kind, pair, T) {
  t <- a$t; base <- ave(t, a$s, FUN = function(v) v[1])
  one <- function(v) outer(v, 2:T, "==") * 1
  if (kind == "unrelated") {
    pairs <- unique(cbind(base, t)[t != base, , drop = FALSE]); pairs <- pairs[order(pairs[, 1], pairs[, 2]), , drop = FALSE]
    return(sapply(seq_len(nrow(pairs)), function(c) (base == pairs[c, 1] & t == pairs[c, 2]) * 1))
  }
  X <- one(t)
  if (kind == "split") {
    both <- ave(t == pair[1], a$s, FUN = max) * ave(t == pair[2], a$s, FUN = max) > 0
    X <- cbind(X, 0); half <- c(colSums(one(pair)) / 2, 0)
    for (side in 1:2) { rows <- which(both & t == pair[side])
      for (r in rows) { X[r, ] <- half; X[r, ncol(X)] <- c(-0.5, 0.5)[side] } }
  }
  X
}

run <- function(a, family, order, kind = "consistent", pair = NULL, random = TRUE, covariate = NULL,
                slope = FALSE, n_iter = 60000, sample_seed = 1) {
  a$t <- match(a$treatment, order); a <- a[order(match(a$study, unique(a$study)), a$t), ]
  a$s <- match(a$study, unique(a$study)); a$k <- ave(a$t, a$s, FUN = seq_along)
  X <- columns(a, kind, pair, length(order))
  if (!is.null(covariate)) { v <- a[[covariate]]; center <- mean(v[a$k == 1]); X <- cbind(X, (a$t > 1) * (v - center)) }
  first <- match(a$s, a$s)
  X <- X - X[first, , drop = FALSE]
  stopifnot(max(a$k) <= 3)
  data <- list(N = nrow(a), S = max(a$s), P = ncol(X), s = a$s, x = X, r = a$r, n = a$size)
  if (random) data <- c(data, list(k = a$k, second = ifelse(a$k == 3, first + 1, nrow(a) + 1)))
  if (family == "cloglog") data$time <- a$time
  if (slope) {
    level <- log((a$r + 0.5) / (a$size - a$r + 0.5))[a$k == 1]
    data$at <- mean(level[a$t[a$k == 1] == 1]); data$act <- (a$t > 1) - (a$t[first] > 1)
  }
  inits <- lapply(1:4, function(c) list(.RNG.name = "base::Mersenne-Twister", .RNG.seed = sample_seed + c, d = rep(0.1 * c, ncol(X))))
  model <- jags.model(textConnection(program(family, random, slope)), data, inits, n.chains = 4, n.adapt = 3000, quiet = TRUE)
  update(model, 10000, progress.bar = "none")
  what <- c("d", "total", "theta", if (random) "tau", if (slope) "beta")
  out <- coda.samples(model, what, n_iter, thin = 5, progress.bar = "none")
  all <- as.matrix(out); keep <- !grepl("theta", colnames(all))
  ess <- effectiveSize(out[, keep])
  theta <- colMeans(all[, grepl("theta", colnames(all))])
  at_mean <- deviance_at(family, theta, a)
  rows <- lapply(colnames(all)[keep], function(p) { v <- all[, p]
    sprintf('"%s": {"mean": %.6g, "sd": %.6g, "low": %.6g, "median": %.6g, "high": %.6g, "ess": %.5g}', p, mean(v), sd(v),
      quantile(v, .025), median(v), quantile(v, .975), ess[p]) })
  sprintf('{"order": ["%s"], "parameters": {%s}, "pd": %.5g}', paste(order, collapse = '", "'),
    paste(rows, collapse = ",\n   "), mean(all[, "total"]) - at_mean)
}
deviance_at <- function(family, theta, a) {
  xlog <- function(x, y) ifelse(x > 0, x * log(ifelse(x > 0, x, 1) / y), 0)
  if (family == "normal") return(sum((a$r - theta)^2 / a$size))
  if (family == "poisson") { m <- a$size * exp(theta); return(2 * sum(m - a$r + xlog(a$r, m))) }
  p <- if (family == "logit") plogis(theta) else 1 - exp(-a$time * exp(theta))
  2 * sum(xlog(a$r, a$size * p) + xlog(a$size - a$r, a$size * (1 - p)))
}

smoking <- with(get("hasselblad1998"), data.frame(study, treatment = trt, r = xi, size = ni))
smoke <- c("no_contact", "self_help", "ind_counseling", "grp_counseling")
b <- get("bcg")
bcg <- rbind(with(b, data.frame(study = trial, treatment = "control", r = cpos, size = cpos + cneg, latitude = ablat)),
             with(b, data.frame(study = trial, treatment = "BCG", r = tpos, size = tpos + tneg, latitude = ablat)))
bcg <- bcg[order(bcg$study), ]
f <- get("franchini2012")
parkinson <- do.call(rbind, lapply(1:3, function(k) data.frame(study = f$Study, treatment = f[[paste0("Treatment", k)]],
  r = f[[paste0("y", k)]], size = f[[paste0("sd", k)]]^2 / f[[paste0("n", k)]])))
parkinson <- parkinson[!is.na(parkinson$r), ]
diabetes <- with(here("diabetes"), data.frame(study, treatment, r = events, size = n, time = years))
diet <- with(here("dietary_fat"), data.frame(study, treatment, r = events, size = person_time))
drugs <- c("diuretic", "placebo", "beta blocker", "CCB", "ACE inhibitor", "ARB")

results <- list(
  smoking_random = run(smoking, "logit", smoke),
  smoking_common = run(smoking, "logit", smoke, random = FALSE),
  smoking_unrelated = run(smoking, "logit", smoke, "unrelated"),
  smoking_split_ind_grp = run(smoking, "logit", smoke, "split", pair = c(3, 4)),
  smoking_split_self_none = run(smoking, "logit", smoke, "split", pair = c(1, 2)),
  bcg_latitude = run(bcg, "logit", c("control", "BCG"), covariate = "latitude"),
  bcg_baseline = run(bcg, "logit", c("control", "BCG"), slope = TRUE),
  parkinson_random = run(parkinson, "normal", c("Placebo", sort(setdiff(unique(parkinson$treatment), "Placebo")))),
  diabetes_random = run(diabetes, "cloglog", drugs),
  diet_random = run(diet, "poisson", c("control", "reduced fat")))
cat("{\n", paste(sprintf(' "%s": %s', names(results), results), collapse = ",\n"), "\n}\n", sep = "")
