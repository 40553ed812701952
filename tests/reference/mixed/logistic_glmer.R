# Logistic mixed models in lme4 and glmmTMB, and GEE in geepack, for comparison.
# Run in this folder: Rscript logistic_glmer.R > logistic_glmer.json  (lme4, glmmTMB, geepack, numDeriv, emmeans)
# glmer's own optimizers stop some 1e-4 standard errors short, and its standard errors come from crude
# differences; so its deviance function is minimized again and differentiated by Richardson's method.
suppressMessages({library(jsonlite); library(lme4); library(numDeriv); library(geepack); library(glmmTMB); library(emmeans)})
trial <- read.csv("trial.csv", stringsAsFactors = TRUE)
form <- remission ~ baseline + arm * visit + (1 | subject)

agq <- function(form, data, points) {
  control <- glmerControl(optimizer = "bobyqa", tolPwrss = 1e-13, optCtrl = list(maxfun = 1e5), calc.derivs = FALSE)
  g <- glmer(form, data, family = binomial, nAGQ = points, control = control)
  f <- glmer(form, data, family = binomial, nAGQ = points, control = control, devFunOnly = TRUE)
  at <- c(getME(g, "theta"), fixef(g))
  for (i in 1:3) at <- at - solve(hessian(f, at), grad(f, at))
  V <- 2 * solve(hessian(f, at))
  list(points = points, sd = at[[1]], beta = unname(at[-1]), se = unname(sqrt(diag(V))[-1]), sd_se = sqrt(V[1, 1]),
       log_likelihood = as.numeric(logLik(g)))
}
fits <- lapply(c(1, 5, 15, 25), function(k) agq(form, trial, k))
laplace <- glmmTMB(form, trial, family = binomial, control = glmmTMBControl(optCtrl = list(rel.tol = 1e-14, iter.max = 1000)))
tmb <- list(beta = unname(fixef(laplace)$cond), se = unname(sqrt(diag(vcov(laplace)$cond))),
            log_likelihood = as.numeric(logLik(laplace)))
g <- glmer(form, trial, family = binomial, nAGQ = 15, control = glmerControl(optimizer = "bobyqa", tolPwrss = 1e-13))
means <- as.data.frame(emmeans(g, ~ arm | visit, type = "response"))

gee_one <- function(form, data, family, corstr, id, waves) {
  data$.id <- as.integer(id); data$.w <- waves
  args <- list(form, family = family, data = data, id = data$.id, control = geese.control(epsilon = 1e-13, maxit = 200))
  if (corstr == "unstructured") {   # geepack's own "unstructured" fails where visits are missing
    args$zcor <- genZcor(clusz = as.vector(table(data$.id)), waves = data$.w, corstrv = 4)
    args$corstr <- "userdefined"
  } else { args$corstr <- corstr; args$waves <- data$.w }
  f <- do.call(geeglm, args)
  list(corstr = corstr, family = family$family, beta = unname(coef(f)), se = unname(sqrt(diag(vcov(f)))),
       naive_se = unname(sqrt(diag(f$geese$vbeta.naiv))),
       alpha = unname(f$geese$alpha), phi = unname(f$geese$gamma))
}
trial$wave <- as.integer(trial$visit)
gees <- list()
for (s in c("independence", "exchangeable", "ar1", "unstructured")) {
  gees[[length(gees) + 1]] <- gee_one(remission ~ baseline + arm * visit, trial, binomial(), s, trial$subject, trial$wave)
  gees[[length(gees) + 1]] <- gee_one(change ~ baseline + arm * visit, trial, gaussian(), s, trial$subject, trial$wave)
}
trial$count <- trial$remission * 3 + as.integer(round(abs(trial$change)))
gees[[length(gees) + 1]] <- gee_one(count ~ baseline + arm * visit, trial, poisson(), "exchangeable", trial$subject, trial$wave)

cat(toJSON(list(program = "tests/reference/mixed/logistic_glmer.R", R = R.version.string,
  versions = sapply(c("lme4", "glmmTMB", "geepack", "emmeans", "numDeriv"), function(p) as.character(packageVersion(p))),
  terms = names(fixef(laplace)$cond), fits = fits, glmmTMB = tmb, emmeans = means, gee = gees),
  digits = NA, auto_unbox = TRUE, pretty = TRUE))
