# Competing risks, for tests/agreement/test_survival_competing_r.py
# Run in tests/reference: Rscript survival_competing.R   (reads survival_awkward.csv)
library(survival)
library(cmprsk)
library(jsonlite)
d <- read.csv("survival_awkward.csv")
out <- list(made_with = list(R = R.version.string, survival = as.character(packageVersion("survival")),
                             cmprsk = as.character(packageVersion("cmprsk"))))
d$state <- factor(d$cause, 0:2, c("censor", "flare", "death"))
d$id <- seq_len(nrow(d))
curve <- function(s) {
  group <- if (is.null(s$strata)) rep("all", length(s$time)) else rep(sub("^[^=]*=", "", names(s$strata)), s$strata)
  list(group = group, time = s$time, n_risk = s$n.risk[, 1], flare = s$pstate[, 2], death = s$pstate[, 3],
       flare_se = s$std.err[, 2], death_se = s$std.err[, 3], flare_low = s$lower[, 2], flare_high = s$upper[, 2])
}
out$plain <- curve(survfit(Surv(day, state) ~ arm, d, conf.type = "log-log"))
out$log <- curve(survfit(Surv(day, state) ~ arm, d, conf.type = "log"))
out$weights <- curve(survfit(Surv(day, state) ~ arm, d, weights = fractional, conf.type = "log-log"))
out$truncated <- curve(survfit(Surv(entry, day, state) ~ 1, d, id = id, conf.type = "log-log"))
ci <- with(d, cuminc(day, cause, arm))
tp <- c(12, 30, 60, 90, 120)
out$cuminc <- list(times = tp, est = timepoints(ci, tp)$est, var = timepoints(ci, tp)$var, rows = rownames(timepoints(ci, tp)$est))
test <- function(...) { t <- cuminc(...)$Tests; list(stat = unname(t[, 1]), pv = unname(t[, 2]), df = unname(t[, 3])) }
out$gray <- with(d, list(arm = test(day, cause, arm), center = test(day, cause, center),
                         strata = test(day, cause, arm, stratum), rho = test(day, cause, arm, rho = 1),
                         center_strata = test(day, cause, center %/% 4, arm)))
x <- as.matrix(d[, c("arm", "age", "marker")])
describe <- function(f) list(coef = unname(f$coef), se = unname(sqrt(diag(f$var))), loglik = f$loglik, null = f$loglik.null,
                             naive = unname(sqrt(diag(f$invinf))), times = f$uftime, hazard = f$bfitj)
out$crr <- list(flare = describe(crr(d$day, d$cause, x, failcode = 1, gtol = 1e-14, maxiter = 50)),
                death = describe(crr(d$day, d$cause, x, failcode = 2, gtol = 1e-14, maxiter = 50)),
                groups = describe(crr(d$day, d$cause, x, cengroup = d$arm, gtol = 1e-14, maxiter = 50)))
write_json(out, "survival_competing.json", digits = NA, auto_unbox = TRUE, na = "null", null = "null")
