# Rates, restricted means, recurrent events, piecewise exponential; for tests/agreement/test_survival_other_r.py
# Run in tests/reference: Rscript survival_other.R   (reads survival_awkward.csv, ../../../shared/data)
library(survival)
library(jsonlite)
library(epitools)
d <- read.csv("survival_awkward.csv")
b <- read.csv("../../../shared/data/survival_r/bladder2.csv")
out <- list(made_with = list(R = R.version.string, survival = as.character(packageVersion("survival")),
                             epitools = as.character(packageVersion("epitools"))))
events <- c(0, 1, 3, 7, 20, 115); time <- c(12.5, 3, 41, 120.5, 88, 400)
ex <- t(mapply(function(e, t) poisson.test(e, t)$conf.int, events, time))
by <- pois.byar(events, time)
out$rates <- list(events = events, time = time, exact_low = ex[, 1], exact_high = ex[, 2],
                  exact90 = t(mapply(function(e, t) poisson.test(e, t, conf.level = 0.9)$conf.int, events, time)),
                  byar_low = by$lower, byar_high = by$upper)
r <- poisson.test(c(5, 12), c(110, 100)); z <- poisson.test(c(0, 4), c(50, 60))
out$ratio <- list(limits = r$conf.int, estimate = unname(r$estimate), zero = z$conf.int)
s <- survfit(Surv(day, event) ~ arm, d)
out$rmst <- lapply(c(50, 100, 140), function(tau) unname(summary(s, rmean = tau)$table[, c("rmean", "se(rmean)")]))
m <- survfit(Surv(start, stop, event) ~ rx, b, id = id, cluster = id)
k <- rep(1:2, m$strata)
keep <- m$n.event > 0
out$mcf <- list(rx = k[keep], time = m$time[keep], n_risk = m$n.risk[keep], cumhaz = m$cumhaz[keep], se = m$std.chaz[keep])
p <- survSplit(Surv(day, event) ~ arm + age, d, cut = c(30, 60), episode = "k")
p$length <- p$day - p$tstart
f <- glm(event ~ factor(k) + arm + age + offset(log(length)) - 1, poisson, p, epsilon = 1e-14)
n <- glm(event ~ factor(k) + offset(log(length)) - 1, poisson, p, epsilon = 1e-14)
out$piecewise <- list(coef = unname(coef(f)), se = unname(sqrt(diag(vcov(f)))), lr = deviance(n) - deviance(f))
# Tarone's trend test is the score test of a numeric covariate with Breslow's rule (no ties: the same variance)
u <- d; u$day <- u$day + seq_len(nrow(u)) / 1000
t <- coxph(Surv(day, event) ~ I(center %% 4), u, ties = "exact")
out$trend <- t$score
write_json(out, "survival_other.json", digits = NA, auto_unbox = TRUE, na = "null", null = "null")
