# Kaplan-Meier curves, medians and log-rank tests, for tests/agreement/test_survival_curves_r.py
# Run in tests/reference: Rscript survival_curves.R   (reads survival_awkward.csv, ../../../shared/data)
library(survival)
library(jsonlite)
d <- read.csv("survival_awkward.csv")
shared <- "../../../shared/data"
out <- list(made_with = list(R = R.version.string, survival = as.character(packageVersion("survival"))))

curve <- function(s) {
  group <- if (is.null(s$strata)) rep("all", length(s$time)) else rep(sub("^[^=]*=", "", names(s$strata)), s$strata)
  se <- if (s$logse) s$std.err * s$surv else s$std.err
  list(group = group, time = s$time, n_risk = s$n.risk, n_event = s$n.event, n_censor = s$n.censor,
       estimate = s$surv, std_error = se, conf_low = s$lower, conf_high = s$upper,
       cumhaz = s$cumhaz, std_chaz = s$std.chaz, logse = s$logse)
}
for (type in c("log-log", "log", "plain", "arcsin", "logit"))
  out$conf_type[[type]] <- curve(survfit(Surv(day, event) ~ arm, d, conf.type = type))
out$single <- curve(survfit(Surv(day, event) ~ 1, d, conf.type = "log-log"))
out$level90 <- curve(survfit(Surv(day, event) ~ 1, d, conf.type = "log-log", conf.int = 0.9))
out$months <- curve(survfit(Surv(month, event) ~ arm, d, conf.type = "log-log"))
out$truncated <- curve(survfit(Surv(entry, day, event) ~ arm, d, conf.type = "log-log"))
out$whole <- curve(survfit(Surv(day, event) ~ arm, d, weights = whole, conf.type = "log-log"))
out$fractional <- curve(survfit(Surv(day, event) ~ arm, d, weights = fractional, conf.type = "log-log"))
out$fractional_truncated <- curve(survfit(Surv(entry, day, event) ~ arm, d, weights = fractional, conf.type = "log-log"))
out$strata <- curve(survfit(Surv(day, event) ~ stratum, d, conf.type = "log-log"))
q <- quantile(survfit(Surv(day, event) ~ arm, d, conf.type = "log-log"), c(.1, .25, .5, .75))
out$quantiles <- list(estimate = q$quantile, low = q$lower, high = q$upper)

test <- function(s) {
  o <- as.matrix(s$obs); e <- as.matrix(s$exp)
  list(chisq = s$chisq, obs = rowSums(o), exp = rowSums(e), var = s$var, obs_by = o, exp_by = e,
       df = sum(rowSums(e) > 0) - 1)
}
out$logrank <- list(
  plain = test(survdiff(Surv(day, event) ~ arm, d)),
  months = test(survdiff(Surv(month, event) ~ arm, d)),
  stratified = test(survdiff(Surv(day, event) ~ arm + strata(stratum), d)),
  by_center = test(survdiff(Surv(day, event) ~ arm + strata(center), d)),
  rho1 = test(survdiff(Surv(day, event) ~ arm, d, rho = 1)),
  rho_half_stratified = test(survdiff(Surv(day, event) ~ arm + strata(stratum), d, rho = 0.5)),
  groups = test(survdiff(Surv(day, event) ~ center, d)),
  groups_stratified = test(survdiff(Surv(day, event) ~ stratum + strata(arm), d)))

colon <- subset(read.csv(file.path(shared, "survival_r/colon.csv")), etype == 2)
actg <- read.csv(file.path(shared, "actg175/ACTG175.csv"))
out$shared <- list(
  colon = test(survdiff(Surv(time, status) ~ rx, colon)),
  colon_km = curve(survfit(Surv(time, status) ~ rx, colon, conf.type = "log-log")),
  actg = test(survdiff(Surv(days, cens) ~ arms, actg)))
write_json(out, "survival_curves.json", digits = NA, auto_unbox = TRUE, na = "null")
